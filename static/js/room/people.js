// The people of the room: those who are here, then others who have an account. In a narrow window a
// button with the count of those who are here opens the list.

import { fetchJSON } from "../browser/fetch_json.js"
import { colourClass, initial } from "../log/avatar.js"

const WIDE = "(min-width: 64rem)" // as in people.css
const ABSENT_SHOWN = 50

export class People {
  #user
  #count
  #number
  #here
  #absent
  #wide = matchMedia(WIDE)
  #total = 0 // people who are here
  #names = new Set() // the server sends the first hundred, and those who join later
  #absentNames = new Set()
  #further = 0 // accounts of people who are not here, beyond those whose names are known
  #isAsked = false

  constructor(element, { user, count }) {
    this.#user = user
    this.#count = count
    this.#number = element.querySelector(".people__number")
    this.#here = element.querySelector(".people__list")
    this.#absent = element.querySelector(".people__absent")
    // In a wide window the list is always visible, in a column of its own.
    this.#wide.addEventListener("change", () => {
      element.hidePopover?.()
      this.#loadIfWide()
    })
    element.addEventListener("toggle", ({ newState }) => newState === "open" && this.#load())
  }

  get names() {
    return sorted(this.#names)
  }

  reset({ people, online }) {
    const before = this.#names
    this.#names = new Set([...online, this.#user])
    for (const name of before) this.#absentNames.add(name)
    for (const name of this.#names) this.#absentNames.delete(name)
    this.#show(people)
    this.#loadIfWide()
  }

  joined(user) {
    this.#names.add(user)
    if (!this.#absentNames.delete(user) && this.#further) this.#further--
    this.#show(this.#total + 1)
  }

  left(user) {
    this.#names.delete(user)
    this.#absentNames.add(user)
    this.#show(this.#total - 1)
  }

  #loadIfWide() {
    if (this.#wide.matches) this.#load()
  }

  // Ask the server once who else belongs here; after an error, again when the list is next shown.
  async #load() {
    if (this.#isAsked) return
    this.#isAsked = true
    try {
      const { names, more } = await fetchJSON("/people/absent")
      for (const name of names) if (!this.#names.has(name)) this.#absentNames.add(name)
      this.#further = more
      this.#show(this.#total)
    } catch {
      this.#isAsked = false
    }
  }

  #show(total) {
    this.#total = total
    this.#count.textContent = `${total} here`
    this.#number.textContent = ` · ${total}`
    const { names } = this
    const others = total - names.length
    this.#here.replaceChildren(
      ...names.map((name) => createItem(name, name === this.#user ? "you" : "")),
      ...(others > 0 ? [createMore(`and ${others} more`)] : []),
    )
    this.#showAbsent(others > 0)
  }

  // Where not all are known by name who are here, nobody can be told to be absent.
  #showAbsent(isUnknown) {
    const names = sorted(this.#absentNames)
    const further = this.#further + Math.max(0, names.length - ABSENT_SHOWN)
    this.#absent.hidden = isUnknown || !names.length
    const link = document.createElement("a")
    link.href = "/people"
    link.textContent = `and ${further} more`
    this.#absent.querySelector("ul").replaceChildren(
      ...names.slice(0, ABSENT_SHOWN).map((name) => createItem(name)),
      ...(further ? [createMore(link)] : []),
    )
  }
}

function sorted(names) {
  return [...names].sort((a, b) => a.localeCompare(b))
}

function createItem(name, note = "") {
  const item = document.createElement("li")
  item.className = "people__person"
  const avatar = document.createElement("span")
  avatar.className = `avatar ${colourClass(name)}`
  avatar.dataset.initial = initial(name)
  const text = document.createElement("bdi")
  text.textContent = name
  const aside = document.createElement("span")
  aside.className = "people__note"
  aside.textContent = note
  item.append(avatar, text, " ", aside)
  return item
}

function createMore(content) {
  const item = document.createElement("li")
  item.className = "people__more"
  item.append(content)
  return item
}
