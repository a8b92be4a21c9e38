// Mentions: @ and the beginning of a name open a list of people, to be taken from by keyboard.

import { announce } from "./announce.js"
import { isComposing } from "./keys.js"

const BEGINNING = /(?:^|[\s(])@([\p{L}\d_.-]{1,32})$/u // right before the caret
const NAME = /^[\p{L}\d_.-]+$/u // what the tutorial let in can have names of anything
const LENGTH = 8 // names in the list

export class Mentions {
  #field
  #list
  #names
  #chosen = 0

  // `names` returns who may be meant, the likeliest first.
  constructor(field, { list, names }) {
    this.#field = field
    this.#list = list
    this.#names = names
    field.addEventListener("input", () => this.#look())
    field.addEventListener("blur", () => this.#close())
    // Before the composer, or Enter would send.
    field.addEventListener("keydown", (event) => this.#keydown(event), { capture: true })
    list.addEventListener("mousedown", (event) => event.preventDefault()) // the field keeps the focus
    list.addEventListener("click", ({ target }) => this.#take(target.closest("[role=option]")))
  }

  #look() {
    const beginning = this.#beginning()
    const names = beginning ? matching(this.#names(), beginning) : []
    if (!names.length) return this.#close()
    this.#list.replaceChildren(...names.map(option))
    this.#list.hidden = false
    this.#choose(0)
    announce(names.length > 1 ? `${names.length} names` : "1 name")
  }

  #beginning() {
    const { value, selectionStart, selectionEnd } = this.#field
    if (selectionStart !== selectionEnd) return ""
    return BEGINNING.exec(value.slice(0, selectionStart))?.[1]
  }

  #keydown(event) {
    if (this.#list.hidden || isComposing(event) || event.shiftKey) return
    const actions = {
      ArrowDown: () => this.#choose(this.#chosen + 1),
      ArrowUp: () => this.#choose(this.#chosen - 1),
      Enter: () => this.#take(this.#list.children[this.#chosen]),
      Tab: () => this.#take(this.#list.children[this.#chosen]),
      Escape: () => this.#close(),
    }
    if (!Object.hasOwn(actions, event.key)) return
    event.preventDefault()
    actions[event.key]()
  }

  #choose(index) {
    const options = [...this.#list.children]
    this.#chosen = (index + options.length) % options.length
    options.forEach((option, i) => option.setAttribute("aria-selected", i === this.#chosen))
    const chosen = options[this.#chosen]
    chosen.scrollIntoView({ block: "nearest" })
    this.#field.setAttribute("aria-activedescendant", chosen.id)
  }

  #take(option) {
    if (!option) return
    const end = this.#field.selectionStart
    const start = end - this.#beginning().length
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

// A name that stands there in full is not in need of a list, and Enter sends.
function matching(names, beginning) {
  const folded = beginning.toLowerCase()
  const fits = (name) => NAME.test(name) && name.toLowerCase().startsWith(folded)
  const found = [...new Set(names.filter(fits))]
  const isComplete = found.some((name) => name.length === beginning.length)
  return isComplete ? [] : found.slice(0, LENGTH)
}

function option(name, index) {
  const option = document.createElement("li")
  option.id = `mention-${index}`
  option.className = "mentions__name"
  option.role = "option"
  option.textContent = name
  return option
}
