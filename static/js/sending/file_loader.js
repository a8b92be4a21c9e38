// Files that the reader chooses, pastes or drops, and pictures that are opened: files.js, which is
// loaded for the first of them, does the rest.

import { element } from "../browser/element.js"
import { isPlain } from "../browser/keys.js"

const TOLD_EVERY = 500 // ms; browsers tell more often that something is dragged over the page

export class FileLoader {
  #form
  #parts
  #files = null // once files.js is there
  #loading = null
  #attempts = 0
  #coming = 0 // times that files were chosen, which are not in the tray yet
  #held = null // the text that is to go with them
  #isOwnDrag = false // of something in the page
  #dragTimer = null

  // `parts` is what files.js works with: { composer, list, log, outbox }.
  constructor(form, parts) {
    this.#form = form
    this.#parts = parts
    const input = form.querySelector("[type=file]")
    form.elements.add?.addEventListener("click", () => this.#isPossible() && input.click())
    input?.addEventListener("change", () => {
      this.#add([...input.files])
      input.value = "" // so that the same file can be chosen again
    })
    addEventListener("dragstart", () => (this.#isOwnDrag = true))
    addEventListener("dragend", () => (this.#isOwnDrag = false))
    addEventListener("dragover", (event) => this.#drag(event))
    addEventListener("drop", (event) => this.#drop(event))
    addEventListener("paste", (event) => this.#paste(event))
    parts.log.element.addEventListener("click", (event) => this.#open(event))
    form.addEventListener("input", () => parts.composer.text === this.#held || this.#letGo())
  }

  // How many files are not at the server yet; of those that are not even in the tray, how many times
  // some were chosen.
  get length() {
    return (this.#files?.length ?? 0) + this.#coming
  }

  // True if files are to go with the next message.
  get areChosen() {
    return this.#files?.areChosen ?? false
  }

  // Return true if a text has to wait for files that were chosen: the form is sent once they are in
  // the tray, unless the reader goes on writing.
  hold(text) {
    if (!this.#coming) return false
    this.#held = text
    this.#form.elements.submit.ariaBusy = "true"
    return true
  }

  // Send the files that were chosen, with a text. Return false if there are none.
  send(text) {
    return this.#files?.send(text) ?? false
  }

  // The connection is there again.
  resume() {
    this.#files?.resume()
  }

  // Why no files can be added now, "" if they can.
  get #refusal() {
    if (!this.#form.elements.add) return "No files can be sent here"
    if (!this.#parts.composer.editing.isActive) return ""
    return "A change can't add files. Please save or cancel it first"
  }

  #isPossible() {
    this.#parts.composer.showError(this.#refusal)
    return !this.#refusal
  }

  async #add(files) {
    if (!this.#isPossible()) return
    this.#coming++
    const loaded = await this.#load("Files can't be sent")
    this.#coming--
    if (!loaded?.add(files)) this.#letGo() // the reader decides
    if (!this.#coming) this.#sendHeld()
  }

  #sendHeld() {
    const { composer } = this.#parts
    const isMeant = composer.text === this.#held && !composer.editing.isActive
    this.#letGo()
    if (isMeant) this.#form.requestSubmit()
  }

  #letGo() {
    if (this.#held === null) return
    this.#held = null
    this.#form.elements.submit.ariaBusy = null
  }

  async #open(event) {
    const link = event.target.closest(".file__picture")
    if (!link || !isPlain(event)) return
    event.preventDefault()
    const loaded = await this.#load("The picture can't be shown")
    loaded?.open(link)
  }

  // Return what files.js makes. Where it can't be loaded, say what can't be done.
  async #load(what) {
    try {
      this.#files ??= await (this.#loading ??= this.#import())
      return this.#files
    } catch {
      this.#loading = null
      this.#attempts++
      this.#parts.composer.showError(`${what} while the server does not answer. Please try again`)
    }
  }

  async #import() {
    const { script, style } = this.#form.dataset
    const address = this.#attempts ? `${script}?${this.#attempts}` : script // failures are cached
    const { Files } = await import(address)
    await loadStyle(style)
    return new Files(this.#form, this.#parts)
  }

  // The page says what will happen, and is never left for the file. A picture of the page itself is
  // nothing to add.
  #drag(event) {
    if (!event.dataTransfer.types.includes("Files")) return
    event.preventDefault()
    event.dataTransfer.dropEffect = this.#isOwnDrag || this.#refusal ? "none" : "copy"
    if (this.#isOwnDrag) return
    if (!document.body.dataset.drop) this.#load("Files can't be sent")
    document.body.dataset.drop = this.#refusal || "Drop files to add them to your message"
    clearTimeout(this.#dragTimer)
    this.#dragTimer = setTimeout(() => delete document.body.dataset.drop, TOLD_EVERY)
  }

  #drop(event) {
    if (!event.dataTransfer.types.includes("Files")) return
    event.preventDefault()
    delete document.body.dataset.drop
    if (!this.#isOwnDrag) this.#add(filesIn(event.dataTransfer))
    this.#isOwnDrag = false // a message that is gone meanwhile tells of no end
  }

  // Programs put a picture of a copied text beside it: then the text is meant. A name alone is that of
  // a file that was copied in a folder.
  #paste(event) {
    const files = filesIn(event.clipboardData)
    if (!files.length || event.target.closest?.("input")) return
    const lines = event.clipboardData.getData("text/plain").split(/[\r\n]+/).filter(Boolean)
    const names = files.map((file) => file?.name)
    if (!lines.every((line) => names.includes(line))) return
    event.preventDefault()
    this.#add(files)
  }
}

// Return what was dropped or pasted, null for each folder. It is there only during the event.
function filesIn({ items }) {
  const isFolder = (item) => item.webkitGetAsEntry?.()?.isDirectory
  const files = [...items].filter(({ kind }) => kind === "file")
  return files.map((item) => (isFolder(item) ? null : item.getAsFile()))
}

function loadStyle(href) {
  return new Promise((onload, onerror) => {
    document.head.append(element("link", { rel: "stylesheet", href, onload, onerror }))
  })
}
