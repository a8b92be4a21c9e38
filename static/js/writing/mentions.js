// Mentions: after @ and the first letters of a name, a list offers the names to complete it with.

import { announce } from "../browser/announce.js"
import { isComposing, isPlain } from "../browser/keys.js"
import { partialName } from "./partial_name.js"

const NAME = /^[\p{L}\p{M}\d_.-]+$/u // the 2016 tutorial accepted other logins, which @ cannot mention
const MAX_OPTIONS = 8

export class Mentions {
  #field
  #list
  #names
  #selected = 0
  #start // of what is typed of the name, without the @
  #caret // where it was when the list opened, which is the end

  // `names` returns the names to choose from, the most likely first.
  constructor(field, { list, names }) {
    this.#field = field
    this.#list = list
    this.#names = names
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
    return !this.#list.hidden && !hasMoved
  }

  #update() {
    const { value, selectionStart, selectionEnd } = this.#field
    this.#caret = selectionEnd
    const isCaret = selectionStart === selectionEnd
    const partial = isCaret ? partialName(value.slice(0, selectionEnd)) : null
    const names = partial === null ? [] : matching(this.#names(), partial)
    if (!names.length) return this.#close()
    this.#start = selectionEnd - partial.length
    this.#list.replaceChildren(...names.map(createOption))
    this.#list.hidden = false
    this.#select(0)
    announce(names.length > 1 ? `${names.length} names` : "1 name")
  }

  #keydown(event) {
    if (!this.#isOpen || isComposing(event) || !isPlain(event)) return
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
    this.#field.setSelectionRange(this.#start, this.#caret)
    this.#close()
    insert(this.#field, `${option.textContent} `)
  }

  #close() {
    if (this.#list.hidden) return
    this.#list.hidden = true
    this.#field.removeAttribute("aria-activedescendant")
    announce("")
  }
}

// Return the names that begin like this; none if one is complete already, so that Enter sends.
function matching(names, partial) {
  const folded = partial.toLowerCase()
  const fits = (name) => NAME.test(name) && name.toLowerCase().startsWith(folded)
  const found = [...new Set(names.filter(fits))]
  const isComplete = found.some((name) => name.length === partial.length)
  return isComplete ? [] : found.slice(0, MAX_OPTIONS)
}

// Put a text in the place of the selection as if it were typed, so that Ctrl+Z takes it back: no
// other way of changing a field can be undone.
function insert(field, text) {
  if (document.execCommand("insertText", false, text)) return
  field.setRangeText(text, field.selectionStart, field.selectionEnd, "end")
  field.dispatchEvent(new Event("input", { bubbles: true }))
}

function createOption(name, index) {
  const option = document.createElement("li")
  option.id = `mention-${index}`
  option.className = "mentions__name"
  option.role = "option"
  option.textContent = name
  return option
}
