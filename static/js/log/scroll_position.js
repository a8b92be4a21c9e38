// The scroll position of the log: it follows new messages while the reader is at the end, and does
// not move while the reader is elsewhere.

const NEAR_END = 60 // px; a reader this close to the end wants to follow it

export class ScrollPosition {
  onchange = () => {}
  #isAway = false
  #log
  #messages
  #isAtEnd = true // where the reader has scrolled to, even if a growing field hides the end
  #top = 0
  #size = "" // of the log, when #resized() was last called
  #first = null // the first message in view, and where it is
  #isScheduled = false

  // `messages` returns those of the log.
  constructor(log, messages) {
    this.#log = log
    this.#messages = messages
    this.#size = this.#currentSize
    this.goToEnd()
    log.addEventListener("scroll", () => this.update())
    const observer = new ResizeObserver(() => this.#resized())
    observer.observe(log)
    observer.observe(log.querySelector(".log__pending"))
  }

  get isAtEnd() {
    return this.#isAtEnd
  }

  // True while the log does not reach to the newest message: nobody is at the end then. Call
  // update() or go somewhere afterwards.
  set isAway(isAway) {
    this.#isAway = isAway
  }

  // The first message in view, how far below the top of the view it begins, and its height.
  get firstInView() {
    const { top } = this.#log.getBoundingClientRect()
    const messages = this.#messages()
    let [first, end] = [0, messages.length]
    while (first < end) {
      const middle = (first + end) >> 1
      if (messages[middle].getBoundingClientRect().bottom > top) end = middle
      else first = middle + 1
    }
    if (first === messages.length) return null
    const box = messages[first].getBoundingClientRect()
    return { message: messages[first], offset: box.top - top, height: box.height }
  }

  goToEnd() {
    this.#isAtEnd = !this.#isAway
    this.#log.scrollTop = this.#log.scrollHeight
    this.#top = this.#log.scrollTop // less than before if rows were removed
    this.onchange()
  }

  // Go up by so many pixels.
  goUp(distance) {
    this.#log.scrollTop -= distance
    this.update()
  }

  // Put a row at the top of the view, unless it is in view.
  goTo(row) {
    const days = [...this.#log.querySelectorAll(".day")]
    const isAbove = (day) => day.compareDocumentPosition(row) & Node.DOCUMENT_POSITION_FOLLOWING
    const day = days.findLast(isAbove)
    const covered = day && getComputedStyle(day).position === "sticky" ? day.offsetHeight : 0
    const { top, bottom } = row.getBoundingClientRect()
    const view = this.#log.getBoundingClientRect()
    const above = top - view.top - covered
    if (above >= 0 && bottom <= view.bottom) return this.update()
    this.#isAtEnd = false
    this.#log.scrollTop += above
    this.onchange()
  }

  // Put a message into the middle of the view; of one that is longer, its beginning.
  goToMiddle(message) {
    const room = this.#log.clientHeight - message.getBoundingClientRect().height
    this.goToOffset(message, Math.max(room / 2, this.#log.clientHeight / 6))
  }

  // Put a message at a distance from the top of the view.
  goToOffset(message, offset) {
    const top = message.getBoundingClientRect().top - this.#log.getBoundingClientRect().top
    this.#isAtEnd = false
    this.#log.scrollTop += top - offset
    this.update()
  }

  // Leave a message where it is while the reader unfolds or folds it, even at the end.
  stayAt(message) {
    const { top } = this.#log.getBoundingClientRect()
    this.goToOffset(message, message.getBoundingClientRect().top - top)
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

  // Call a function that changes the log, without moving what the reader sees. Unless that is the end,
  // it gets the first message in view, as firstInView has it.
  keep(change) {
    this.update() // the reader may have scrolled, and the event is still to come
    if (this.#isAtEnd) {
      change()
      return this.goToEnd()
    }
    const first = this.firstInView
    change(first)
    if (!first) return
    const { top } = this.#log.getBoundingClientRect()
    this.#log.scrollTop += first.message.getBoundingClientRect().top - top - first.offset
  }

  // Lines wrap elsewhere in a window of another width: stay with the message that was at the top.
  #resized() {
    this.#size = this.#currentSize
    if (this.#isAtEnd) return this.goToEnd()
    const { message, offset, height } = this.#first ?? {}
    if (!message?.isConnected) return
    const part = offset < 0 ? message.getBoundingClientRect().height / height : 1
    this.goToOffset(message, offset * part)
  }

  get #currentSize() {
    return `${this.#log.clientWidth} ${this.#log.clientHeight}`
  }

  // Look where the reader is. A log that grows moves its end away, but only the reader scrolls up.
  update() {
    if (this.#currentSize !== this.#size) return // the browser has scrolled; #resized() comes next
    const { scrollHeight, scrollTop, clientHeight } = this.#log
    if (this.#isAway) this.#isAtEnd = false
    else if (scrollHeight - scrollTop - clientHeight < NEAR_END) this.#isAtEnd = true
    else if (scrollTop < this.#top) this.#isAtEnd = false
    this.#top = scrollTop
    this.#first = this.firstInView
    this.onchange()
  }
}
