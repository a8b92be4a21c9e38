// The card above the field: the message that the reader answers. It keeps the quote that is sent
// before the text, as quote() makes it.

import { richText } from "../log/rich_text.js"

const QUOTE = /^> (?<author>.+?) #\d+: (?<line>.*)/

export class ReplyCard {
  ondismiss = () => {}
  #element
  #quote = ""

  constructor(element) {
    this.#element = element
    element.querySelector("button").addEventListener("click", () => this.ondismiss())
  }

  get quote() {
    return this.#quote
  }

  // Show a quote, or nothing if it is "".
  set quote(quote) {
    const { author = "", line = "" } = QUOTE.exec(quote)?.groups ?? {}
    this.#quote = quote
    this.#element.hidden = !quote
    this.#element.querySelector(".reply__author").textContent = author
    this.#element.querySelector(".reply__text").replaceChildren(richText(line, []))
  }

  get author() {
    return this.#element.querySelector(".reply__author").textContent
  }
}
