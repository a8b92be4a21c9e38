// Mentions: after @ and the first letters of a name, a list offers the names to complete it with.

import { announce } from "../browser/announce.js"
import { isComposing, isPlain } from "../browser/keys.js"
import { caseless } from "../log/names.js"
import { insert } from "./insert.js"
import { namesIn, partialName } from "./partial_name.js"

const NAME = /^[\p{L}\p{M}\d_.-]+$/u // the 2016 tutorial accepted other logins, which @ cannot mention
const MAX_OPTIONS = 8
const MAX_CHECKED = 20 // names in a text that are looked up
const ALL = "all" // everybody

export class Mentions {
  #field
  #list
  #nobody
  #user
  #names
  #accounts
  #partial = null // what is typed of the name, as long as the list may open for it
  #selected = 0
  #caret // where it stood when that was typed

  // `names` returns the names in the page, the most likely first; `accounts` knows all others;
  // `nobody` is where the page tells that a name is none.
  constructor(field, { list, nobody, user, names, accounts }) {
    this.#field = field
    this.#list = list
    this.#nobody = nobody
    this.#user = user
    this.#names = names
    this.#accounts = accounts
    accounts.onanswer = () => this.#show(this.#list.children[this.#selected]?.textContent)
    field.addEventListener("input", () => this.#update())
    field.addEventListener("blur", () => this.#close())
    document.addEventListener("selectionchange", () => this.#isOpen || this.#close())
    // In the capture phase, or the composer would see Enter first and send the message.
    field.addEventListener("keydown", (event) => this.#keydown(event), { capture: true })
    list.addEventListener("mousedown", (event) => event.preventDefault()) // the field keeps focus
    list.addEventListener("click", ({ target }) => this.#complete(target.closest("[role=option]")))
  }

  // The keys of the list work only as long as the caret stands behind the name. It moves by keys,
  // by a click and by scripts, and the browser tells of it later than of the next key.
  get #isOpen() {
    const { selectionStart, selectionEnd } = this.#field
    const hasMoved = selectionStart !== this.#caret || selectionEnd !== this.#caret
    return this.#partial !== null && !hasMoved
  }

  #update() {
    const { value, selectionStart, selectionEnd } = this.#field
    this.#caret = selectionEnd
    this.#partial = selectionStart === selectionEnd ? partialName(value.slice(0, selectionEnd)) : null
    this.#show()
    if (this.#partial === null || this.#list.children.length === MAX_OPTIONS) return
    this.#accounts.learn(this.#partial)
  }

  // Show what is known by now: an answer may come when the list is open, with a name selected, or
  // when it is closed again.
  #show(selected) {
    const known = this.#isOpen ? [...this.#names(), ...this.#accounts.names, ALL] : []
    const others = known.filter((name) => name !== this.#user)
    const names = matching(others, this.#partial)
    this.#tellOfNobody(names.length ? this.#partial : null)
    if (!names.length) return this.#hide()
    const offered = Array.from(this.#list.children, (option) => option.textContent)
    const isNew = names.length !== offered.length
    // A finger may be on a name that an answer offers again.
    const isSame = !isNew && names.every((name, index) => name === offered[index])
    if (!isSame) this.#list.replaceChildren(...names.map(createOption))
    this.#list.hidden = false
    this.#select(Math.max(0, names.indexOf(selected)))
    if (isNew) announce(names.length > 1 ? `${names.length} names` : "1 name")
  }

  // Say so if a name in the text is nobody's, also when it is typed in full; not of `begun`, which
  // begins names that are offered.
  #tellOfNobody(begun) {
    const typed = namesIn(this.#field.value).slice(0, MAX_CHECKED)
    const known = new Set(typed.length ? [...this.#names(), this.#user, ALL].map(caseless) : [])
    const isNobody = (name) =>
      name !== begun && !known.has(caseless(name)) && this.#accounts.isNobody(name)
    const [name] = typed.find((meanings) => meanings.every(isNobody)) ?? []
    const text = name ? `Nobody is called ${name}` : ""
    if (this.#nobody.textContent !== text) this.#nobody.textContent = text // it is read aloud
    // Names that were pasted are asked for; the answer to one leads to the next.
    const others = typed.flat().filter((each) => each !== this.#partial && !known.has(caseless(each)))
    const unknown = others.find((each) => this.#accounts.isUnknown(each))
    if (unknown) this.#accounts.learn(unknown)
  }

  #keydown(event) {
    if (this.#list.hidden || !this.#isOpen || isComposing(event) || !isPlain(event)) return
    const actions = {
      ArrowDown: () => this.#select(this.#selected + 1),
      ArrowUp: () => this.#select(this.#selected - 1),
      Enter: () => this.#complete(this.#list.children[this.#selected]),
      Tab: () => this.#complete(this.#list.children[this.#selected]),
      Escape: () => this.#close(),
    }
    if (!Object.hasOwn(actions, event.key)) return
    event.preventDefault()
    actions[event.key]()
  }

  #select(index) {
    const options = [...this.#list.children]
    this.#selected = (index + options.length) % options.length
    options.forEach((option, i) => option.setAttribute("aria-selected", i === this.#selected))
    const selected = options[this.#selected]
    selected.scrollIntoView({ block: "nearest" })
    this.#field.setAttribute("aria-activedescendant", selected.id)
  }

  #complete(option) {
    if (!option || !this.#isOpen) return
    this.#field.setSelectionRange(this.#caret - this.#partial.length, this.#caret)
    this.#close()
    insert(this.#field, `${option.textContent} `)
  }

  #close() {
    this.#partial = null
    this.#hide()
  }

  #hide() {
    if (this.#list.hidden) return
    this.#list.hidden = true
    this.#list.replaceChildren()
    this.#field.removeAttribute("aria-activedescendant")
    announce("")
  }
}

// Return the names that begin like this; none if one is complete already, so that Enter sends.
function matching(names, partial) {
  if (!names.length) return []
  const begin = caseless(partial)
  const fits = (name) => NAME.test(name) && caseless(name).startsWith(begin)
  const found = [...new Set(names.filter(fits))]
  const isComplete = found.some((name) => name.length === partial.length)
  return isComplete ? [] : found.slice(0, MAX_OPTIONS)
}

function createOption(name, index) {
  const option = document.createElement("li")
  option.id = `mention-${index}`
  option.className = "mentions__name"
  option.role = "option"
  option.textContent = name
  return option
}
