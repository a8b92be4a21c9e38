// Who is here: a list by name, and the count that opens it where there is no room for it.

const WIDE = "(min-width: 64rem)" // as in people.css

export class People {
  #user
  #list
  #count
  #total = 0
  #names = new Set() // the server tells the first hundred, and everybody who comes later

  constructor(element, { user, count }) {
    this.#user = user
    this.#list = element.querySelector("ul")
    this.#count = count
    // Where the list has a column of its own, nothing is to be opened.
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
      ...names.map((name) => line(name, name === this.#user ? "you" : "")),
      ...(others > 0 ? [line("", `and ${others} more`)] : []),
    )
  }
}

function line(name, note) {
  const line = document.createElement("li")
  line.className = name ? "people__person" : "people__others"
  const aside = document.createElement("span")
  aside.className = "people__note"
  aside.textContent = note
  line.append(name, " ", aside)
  return line
}
