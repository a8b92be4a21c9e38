// How many people are here.

export class People {
  #element
  #count = 0

  constructor(element) {
    this.#element = element
  }

  reset({ people }) {
    this.#show(people)
  }

  joined() {
    this.#show(this.#count + 1)
  }

  left() {
    this.#show(this.#count - 1)
  }

  #show(count) {
    this.#count = count
    this.#element.textContent = `${count} here`
  }
}
