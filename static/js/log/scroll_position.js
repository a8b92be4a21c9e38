// The scroll position of the log: it follows new messages while the reader is at the end, and does
// not move while the reader is elsewhere.

const NEAR_END = 60 // px; a reader this close to the end wants to follow it

export class ScrollPosition {
  onchange = () => {}
  #log
  #isAtEnd = true // where the reader has scrolled to, even if a growing field hides the end
  #top = 0
  #isScheduled = false

  constructor(log) {
    this.#log = log
    this.goToEnd()
    log.addEventListener("scroll", () => this.#update())
    const observer = new ResizeObserver(() => this.#isAtEnd && this.goToEnd())
    observer.observe(log)
    observer.observe(log.querySelector(".log__pending"))
  }

  get isAtEnd() {
    return this.#isAtEnd
  }

  goToEnd() {
    this.#isAtEnd = true
    this.#log.scrollTop = this.#log.scrollHeight
    this.#top = this.#log.scrollTop // less than before if rows were removed
    this.onchange()
  }

  // Put a row at the top of the view, unless it is in view at the end.
  goTo(row) {
    const covered = this.#log.querySelector(".day")?.offsetHeight ?? 0 // by the day, which sticks
    const above = row.getBoundingClientRect().top - this.#log.getBoundingClientRect().top - covered
    if (above >= 0) return
    this.#isAtEnd = false
    this.#log.scrollTop += above
    this.onchange()
  }

  // Put a message into the middle of the view.
  show(message) {
    message.scrollIntoView({ block: "center" })
    this.#update()
  }

  isInView(message) {
    const { top, bottom } = message.getBoundingClientRect()
    const view = this.#log.getBoundingClientRect()
    return top < view.bottom && bottom > view.top
  }

  // Follow the end after rows were added: once for all that are added before the next frame.
  follow() {
    if (this.#isScheduled) return
    this.#isScheduled = true
    requestAnimationFrame(() => {
      this.#isScheduled = false
      if (this.#isAtEnd) this.goToEnd()
    })
  }

  // Call a function that changes the log, without moving what the reader sees.
  keep(change) {
    this.#update() // the reader may have scrolled, and the event is still to come
    if (this.#isAtEnd) {
      change()
      return this.goToEnd()
    }
    const { top } = this.#log.getBoundingClientRect()
    const messages = [...this.#log.querySelectorAll(".message")]
    const firstInView = messages.find((message) => message.getBoundingClientRect().bottom > top)
    const before = firstInView?.getBoundingClientRect().top
    change()
    if (firstInView) this.#log.scrollTop += firstInView.getBoundingClientRect().top - before
  }

  // A log that grows moves its end away from the reader, but only the reader scrolls up.
  #update() {
    const { scrollHeight, scrollTop, clientHeight } = this.#log
    if (scrollHeight - scrollTop - clientHeight < NEAR_END) this.#isAtEnd = true
    else if (scrollTop < this.#top) this.#isAtEnd = false
    this.#top = scrollTop
    this.onchange()
  }
}
