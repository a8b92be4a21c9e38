// The reader's place in the log: it follows the talk at the end, and stays put elsewhere.

const NEAR_END = 60 // px; who is closer reads the newest and wants to go on doing so

export class Place {
  onmove = () => {}
  #log
  #isAtEnd = true // where the reader has left it, not where a growing field pushes it
  #top = 0
  #isDue = false

  constructor(log) {
    this.#log = log
    this.toEnd()
    log.addEventListener("scroll", () => this.#look())
    const observer = new ResizeObserver(() => this.#isAtEnd && this.toEnd())
    observer.observe(log)
    observer.observe(log.querySelector(".log__pending"))
  }

  get isAtEnd() {
    return this.#isAtEnd
  }

  toEnd() {
    this.#isAtEnd = true
    this.#log.scrollTop = this.#log.scrollHeight
    this.#top = this.#log.scrollTop // lower than before, where lines have gone
    this.onmove()
  }

  // Begins at a line, unless the end shows it as well.
  toLine(line) {
    const above = line.getBoundingClientRect().top - this.#log.getBoundingClientRect().top
    if (above >= 0) return
    this.#isAtEnd = false
    this.#log.scrollTop += above
    this.onmove()
  }

  // Follows what has been added, once for all that comes before the next picture.
  follow() {
    if (this.#isDue) return
    this.#isDue = true
    requestAnimationFrame(() => {
      this.#isDue = false
      if (this.#isAtEnd) this.toEnd()
    })
  }

  // Lets something change above or below without moving what the reader sees.
  hold(change) {
    this.#look() // the reader may have scrolled, and the event for it be still to come
    if (this.#isAtEnd) {
      change()
      return this.toEnd()
    }
    const { top } = this.#log.getBoundingClientRect()
    const lines = [...this.#log.querySelectorAll(".message")]
    const line = lines.find((line) => line.getBoundingClientRect().bottom > top)
    const before = line?.getBoundingClientRect().top
    change()
    if (line) this.#log.scrollTop += line.getBoundingClientRect().top - before
  }

  // Growing leaves the end behind without the reader; only they themselves scroll up.
  #look() {
    const { scrollHeight, scrollTop, clientHeight } = this.#log
    if (scrollHeight - scrollTop - clientHeight < NEAR_END) this.#isAtEnd = true
    else if (scrollTop < this.#top) this.#isAtEnd = false
    this.#top = scrollTop
    this.onmove()
  }
}
