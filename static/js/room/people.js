// The list of people who are here. In a narrow window a button with their count opens it.

const WIDE = "(min-width: 64rem)" // as in people.css

export class People {
  #user
  #list
  #count
  #total = 0
  #names = new Set() // the server sends the first hundred, and those who join later

  constructor(element, { user, count }) {
    this.#user = user
    this.#list = element.querySelector("ul")
    this.#count = count
    // In a wide window the list is always visible, in a column of its own.
    matchMedia(WIDE).addEventListener("change", () => element.hidePopover?.())
  }

  get names() {
    return [...this.#names].sort((a, b) => a.localeCompare(b))
  }

  reset({ people, online }) {
    this.#names = new Set([...online, this.#user])
    this.#show(people)
  }

  joined(user) {
    this.#names.add(user)
    this.#show(this.#total + 1)
  }

  left(user) {
    this.#names.delete(user)
    this.#show(this.#total - 1)
  }

  #show(total) {
    this.#total = total
    this.#count.textContent = `${total} here`
    const { names } = this
    const others = total - names.length
    this.#list.replaceChildren(
      ...names.map((name) => createItem(name, name === this.#user ? "you" : "")),
      ...(others > 0 ? [createItem("", `and ${others} more`)] : []),
    )
  }
}

function createItem(name, note) {
  const item = document.createElement("li")
  item.className = name ? "people__person" : "people__others"
  const aside = document.createElement("span")
  aside.className = "people__note"
  aside.textContent = note
  item.append(name, " ", aside)
  return item
}
