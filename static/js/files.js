// Files on their way to the room, and pictures in full: loaded by sending/file_loader.js.

import { announce } from "./browser/announce.js"
import { Tray } from "./files/tray.js"
import { Uploads } from "./files/uploads.js"
import { Viewer } from "./files/viewer.js"

export class Files {
  #composer
  #tray
  #uploads
  #viewer

  constructor(form, { composer, list, log, outbox }) {
    this.#composer = composer
    this.#tray = new Tray(form)
    this.#uploads = new Uploads(list, log.user)
    this.#viewer = new Viewer(log.element)
    this.#tray.onremove = (file) => {
      announce(`${file.name} removed`)
      composer.focus()
    }
    this.#uploads.onstored = (msg, file) => outbox.add(msg, file)
    this.#uploads.ondiscard = (msg) => composer.giveBack(msg)
    this.#uploads.onfocuslost = () => composer.focus()
  }

  get length() {
    return this.#tray.length + this.#uploads.length
  }

  get areChosen() {
    return this.#tray.length > 0
  }

  // Put files into the tray; null stands for a folder. Return false if some can't be sent.
  add(files) {
    const { added, problems } = this.#tray.add(files)
    if (problems.length) this.#composer.showError(problems.join(" "))
    if (added.length === 1) announce(`${added[0].name} added`)
    else if (added.length) announce(`${added.length} files added`)
    this.#composer.focus()
    return !problems.length
  }

  // Send what is in the tray, the first one with a text. Return false if it is empty.
  send(text) {
    const files = this.#tray.take()
    this.#uploads.add(files, text)
    return files.length > 0
  }

  open(link) {
    this.#viewer.open(link)
  }

  resume() {
    this.#uploads.resume()
  }
}
