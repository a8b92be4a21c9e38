// As much of a browser's document as rich text needs.

export class Element {
  className = ""
  #nodes = []

  constructor(name) {
    this.name = name
  }

  append(...nodes) {
    this.#nodes.push(...nodes.flatMap((node) => (node instanceof Fragment ? node.#nodes : [node])))
  }

  get textContent() {
    return this.#nodes.map((node) => node.textContent ?? node).join("")
  }

  // What is read, without the signs that only a copy has.
  get shownText() {
    const isShown = ({ name, className }) => name !== "span" || className.startsWith("quote")
    const shown = this.#nodes.filter(isShown)
    return shown.map((node) => node.shownText ?? node).join("")
  }

  // All elements in it that have a name or a class, in their order.
  all(name) {
    return this.#nodes.flatMap((node) => {
      if (!(node instanceof Element)) return []
      return [...([node.name, node.className].includes(name) ? [node] : []), ...node.all(name)]
    })
  }
}

class Fragment extends Element {}

globalThis.document = {
  createElement: (name) => new Element(name),
  createDocumentFragment: () => new Fragment(),
}
