// The log: shows each message once, in order, in the reader's own time zone.

const NEAR_END = 60 // px; who is closer reads the newest and wants to go on doing so

const CLOCK = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
})

export class Log {
  #element
  #pending // what is not in the log yet stands at its end
  #template = document.getElementById("message-template")
  #isAtEnd = true // where the reader has left it, not where a growing field pushes it

  constructor(element) {
    this.#element = element
    this.#pending = element.querySelector(".log__pending")
    this.#localise()
    this.scrollToEnd()
    element.addEventListener("scroll", () => this.#look())
    const observer = new ResizeObserver(() => this.#stay())
    observer.observe(element)
    observer.observe(this.#pending)
  }

  get user() {
    return this.#element.dataset.user
  }

  // The number of the last message shown.
  get last() {
    return Number(this.#element.dataset.last)
  }

  show({ seq, user, msg, time }) {
    if (seq <= this.last) return
    this.#element.dataset.last = seq
    const message = this.#template.content.firstElementChild.cloneNode(true)
    message.dataset.seq = seq
    message.dataset.user = user
    const clock = message.querySelector(".message__time")
    clock.dateTime = time
    clock.textContent = localTime(new Date(time))
    message.querySelector(".message__author").textContent = `(${user})`
    message.querySelector(".message__text").textContent = msg
    this.#element.querySelector(".log__empty")?.remove()
    this.#append(message)
  }

  notice(text) {
    const notice = document.createElement("p")
    notice.className = "notice"
    notice.textContent = `${localTime(new Date())} ${text}`
    this.#append(notice)
  }

  // More was missed than the server replays: take the history from a new copy of the page.
  async reload() {
    const response = await fetch("/")
    if (!response.ok || response.redirected) throw new Error("the history cannot be loaded")
    const page = new DOMParser().parseFromString(await response.text(), "text/html")
    const fresh = page.getElementById(this.#element.id)
    fresh.querySelector(".log__pending").remove()
    while (this.#pending.previousSibling) this.#pending.previousSibling.remove()
    this.#pending.before(...fresh.children)
    this.#element.dataset.last = fresh.dataset.last
    this.#localise()
    this.scrollToEnd()
  }

  scrollToEnd() {
    this.#isAtEnd = true
    this.#element.scrollTop = this.#element.scrollHeight
  }

  #append(child) {
    this.#pending.before(child)
    this.#stay()
  }

  #look() {
    const { scrollHeight, scrollTop, clientHeight } = this.#element
    this.#isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_END
  }

  #stay() {
    if (this.#isAtEnd) this.scrollToEnd()
  }

  #localise() {
    this.#element.querySelector(".log__zone")?.remove()
    for (const clock of this.#element.querySelectorAll("time")) {
      clock.textContent = localTime(new Date(clock.dateTime))
    }
  }
}

function localTime(date) {
  return `[${CLOCK.format(date)}]`
}
