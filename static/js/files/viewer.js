// The viewer: a picture of the log in full, over the page. Arrow keys, buttons and swipes lead to the
// next ones.

import { button, element } from "../browser/element.js"
import { isPlain } from "../browser/keys.js"
import { fileOf, sizeText } from "../log/file.js"

const STEPS = { ArrowLeft: -1, ArrowRight: 1 }
const SWIPED = 50 // px that a finger has to move

export class Viewer {
  #log
  #link = null // of the picture that is shown
  #dialog = element("dialog", { className: "viewer", ariaLabel: "Picture" })
  #picture = document.createElement("img")
  #about = element("p", { className: "viewer__about", role: "status" })
  #download = element("a", { className: "button viewer__button", download: "" }, "Download")
  #earlier = button("viewer__button viewer__button--earlier", "‹", "Earlier picture")
  #later = button("viewer__button viewer__button--later", "›", "Later picture")
  #swipe = null // where a finger began
  #deletion = new MutationObserver(() => this.#link.isConnected || this.#dialog.close())

  constructor(log) {
    this.#log = log
    const close = button("viewer__button", "✕", "Close")
    close.autofocus = true
    const bar = element("div", { className: "viewer__bar" }, this.#about, this.#download, close)
    const stage = element("div", { className: "viewer__stage" }, this.#picture)
    this.#dialog.append(bar, stage, this.#earlier, this.#later)
    document.body.append(this.#dialog)
    close.addEventListener("click", () => this.#dialog.close())
    this.#earlier.addEventListener("click", () => this.#step(-1))
    this.#later.addEventListener("click", () => this.#step(1))
    stage.addEventListener("click", ({ target }) => target === stage && this.#dialog.close())
    stage.addEventListener("pointerdown", (event) => this.#touch(event))
    stage.addEventListener("pointerup", (event) => this.#lift(event))
    this.#dialog.addEventListener("keydown", (event) => this.#keydown(event))
    this.#dialog.addEventListener("close", () => this.#closed())
  }

  // Show the picture of a link in the log.
  open(link) {
    this.#show(link)
    this.#dialog.showModal()
  }

  get #links() {
    return [...this.#log.querySelectorAll(".file__picture")]
  }

  #show(link) {
    const message = link.closest(".message")
    const file = fileOf(message)
    const links = this.#links
    const index = links.indexOf(link)
    this.#link = link
    this.#deletion.disconnect()
    this.#deletion.observe(message, { childList: true })
    const { alt } = link.firstElementChild
    const picture = element("img", { className: "viewer__picture", alt, src: file.preview })
    const ratio = file.width / file.height
    picture.style.width = `min(${file.width}px, 100cqw, 100cqh * ${ratio})`
    picture.style.aspectRatio = ratio
    this.#picture.replaceWith(picture)
    this.#picture = picture
    loadFull(picture, link.href)
    const position = links.length > 1 ? `, ${index + 1} of ${links.length}` : ""
    const name = element("bdi", {}, file.name)
    this.#about.replaceChildren(name, ` ${sizeText(file.size)}${position}`)
    this.#download.href = `${link.href}?download`
    this.#earlier.hidden = index === 0
    this.#later.hidden = index === links.length - 1
  }

  #step(step) {
    const links = this.#links
    const index = links.indexOf(this.#link)
    if (index < 0) return this.#dialog.close() // the log has removed it among many
    const hadFocus = document.activeElement
    if (links[index + step]) this.#show(links[index + step])
    if (hadFocus.hidden) this.#dialog.focus()
  }

  #closed() {
    this.#deletion.disconnect()
    const former = this.#link.isConnected ? this.#link : this.#log
    former.focus({ preventScroll: true })
  }

  #keydown(event) {
    if (!(event.key in STEPS) || !isPlain(event)) return
    event.preventDefault()
    this.#step(STEPS[event.key])
  }

  // With two fingers, or in a picture that is enlarged, the browser moves it.
  #touch({ pointerType, isPrimary, clientX }) {
    const isSwipe = pointerType === "touch" && isPrimary && (visualViewport?.scale ?? 1) === 1
    this.#swipe = isSwipe ? clientX : null
  }

  #lift({ clientX }) {
    const way = this.#swipe === null ? 0 : clientX - this.#swipe
    this.#swipe = null
    if (Math.abs(way) >= SWIPED) this.#step(way < 0 ? 1 : -1)
  }
}

// Until it is there its preview stays, in the same place.
async function loadFull(picture, address) {
  const full = new Image()
  full.src = address
  try {
    await full.decode()
    picture.src = address
  } catch {
    // then the preview is all there is
  }
}
