// The pending lines: what is on its way, or was refused, stands at the end of the log.

export class Pending {
  onretry = () => {}
  ondiscard = () => {}
  onleave = () => {} // the button that had the focus is gone
  #element
  #template = document.getElementById("pending-template")
  #lines = new Map() // by nonce

  constructor(element) {
    this.#element = element
  }

  // Shows entries in their order; those that wait as being sent, the others as not sent.
  show(entries, waiting) {
    const focused = document.activeElement
    const hadFocus = this.#element.contains(focused)
    const lines = new Map()
    for (const entry of entries) {
      const line = this.#lines.get(entry.nonce) ?? this.#line(entry)
      mark(line, entry, waiting.includes(entry))
      lines.set(entry.nonce, line)
    }
    for (const [nonce, line] of this.#lines) if (!lines.has(nonce)) line.remove()
    this.#arrange([...lines.values()])
    this.#lines = lines
    if (hadFocus && (!focused.isConnected || focused.closest("[hidden]"))) this.onleave()
  }

  #line({ nonce, msg }) {
    const line = this.#template.content.firstElementChild.cloneNode(true)
    line.querySelector(".pending__text").textContent = msg
    line.querySelector("[name=retry]").addEventListener("click", () => this.onretry(nonce))
    line.querySelector("[name=discard]").addEventListener("click", () => this.ondiscard(nonce))
    return line
  }

  // Moves only what stands elsewhere: an element that is moved loses the focus.
  #arrange(lines) {
    lines.forEach((line, index) => {
      const there = this.#element.children[index]
      if (there !== line) this.#element.insertBefore(line, there ?? null)
    })
  }
}

function mark(line, { problem }, isWaiting) {
  const text = isWaiting ? "sending…" : ["not sent", problem].filter(Boolean).join(": ")
  const state = line.querySelector(".pending__mark")
  if (state.textContent === text) return // or it would be read out again
  state.textContent = text
  line.classList.toggle("pending--failed", !isWaiting)
  line.querySelector(".pending__actions").hidden = isWaiting
}
