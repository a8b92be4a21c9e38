// Mentions: after @ and the first letters of a name, a list offers the names to complete it with.

import { announce } from "../browser/announce.js"
import { isComposing } from "../browser/keys.js"

const PARTIAL_NAME = /(?:^|[\s(])@([\p{L}\p{M}\d_.-]{0,32})$/u // right before the caret
const NAME = /^[\p{L}\p{M}\d_.-]+$/u // the 2016 tutorial accepted other logins, which @ cannot mention
const MAX_OPTIONS = 8

export class Mentions {
  #field
  #list
  #names
  #selected = 0

  // `names` returns the names to choose from, the most likely first.
  constructor(field, { list, names }) {
    this.#field = field
    this.#list = list
    this.#names = names
    field.addEventListener("input", () => this.#update())
    field.addEventListener("blur", () => this.#close())
    // In the capture phase, or the composer would see Enter first and send the message.
    field.addEventListener("keydown", (event) => this.#keydown(event), { capture: true })
    list.addEventListener("mousedown", (event) => event.preventDefault()) // the field keeps focus
    list.addEventListener("click", ({ target }) => this.#complete(target.closest("[role=option]")))
  }

  #update() {
    const partial = this.#partialName()
    const names = partial === null ? [] : matching(this.#names(), partial)
    if (!names.length) return this.#close()
    this.#list.replaceChildren(...names.map(createOption))
    this.#list.hidden = false
    this.#select(0)
    announce(names.length > 1 ? `${names.length} names` : "1 name")
  }

  #partialName() {
    const { value, selectionStart, selectionEnd } = this.#field
    if (selectionStart !== selectionEnd) return null
    return PARTIAL_NAME.exec(value.slice(0, selectionStart))?.[1] ?? null
  }

  #keydown(event) {
    if (this.#list.hidden || isComposing(event) || event.shiftKey) return
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
    if (!option) return
    const end = this.#field.selectionStart
    const start = end - this.#partialName().length
    this.#close()
    this.#field.setRangeText(`${option.textContent} `, start, end, "end")
    this.#field.dispatchEvent(new Event("input", { bubbles: true }))
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

function createOption(name, index) {
  const option = document.createElement("li")
  option.id = `mention-${index}`
  option.className = "mentions__name"
  option.role = "option"
  option.textContent = name
  return option
}
