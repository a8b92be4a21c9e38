// The tray above the field: the files that go with the next message.

import { button, element } from "../browser/element.js"
import { shownFile, sizeText } from "../log/file.js"

const AT_ONCE = 10
const PREVIEW_HEIGHT = 128 // px, twice as many as it has in the page
const PREVIEW_LIMIT = 30_000_000 // bytes; to decode a larger picture would take the browser too long

export class Tray {
  onremove = () => {} // called with the file
  #limit // bytes of a file
  #element = element("ul", { className: "tray", ariaLabel: "Files to send", role: "list", hidden: true })
  #files = []

  constructor(form) {
    this.#limit = Number(form.dataset.fileLimit)
    form.querySelector(".reply").after(this.#element)
  }

  get length() {
    return this.#files.length
  }

  // Add files, null for a folder. Return { added, problems }: those that can be sent, and why others
  // can't.
  add(files) {
    const [added, problems] = [[], new Set()]
    for (const file of files) {
      const problem = this.#problemOf(file)
      if (problem) {
        problems.add(problem)
        continue
      }
      added.push(file)
      this.#files.push(file)
      this.#element.append(this.#createItem(file))
    }
    this.#element.hidden = !this.#files.length
    return { added, problems: [...problems] }
  }

  // Return all files, and be empty then.
  take() {
    this.#element.replaceChildren()
    this.#element.hidden = true
    return this.#files.splice(0)
  }

  #problemOf(file) {
    if (!file) return "Folders can't be sent: please send the files in them."
    const { name, size } = file
    if (!size) return `“${name}” is empty.`
    if (size > this.#limit) {
      return `“${name}” has ${sizeText(size)}. A file may have at most ${sizeText(this.#limit)}.`
    }
    return this.#files.length >= AT_ONCE ? `Only ${AT_ONCE} files can be sent at once.` : ""
  }

  #createItem(file) {
    const { name, type, size } = file
    const item = element("li", { className: "tray__file" },
      element("span", { className: "tray__sign" }, shownFile({ name, type }).sign),
      element("span", { className: "tray__about" },
        element("span", { className: "tray__name", dir: "auto" }, name),
        element("span", { className: "tray__size" }, sizeText(size))))
    const remove = button("tray__remove", "✕", `Remove ${name}`)
    remove.addEventListener("click", () => {
      this.#files.splice(this.#files.indexOf(file), 1)
      item.remove()
      this.#element.hidden = !this.#files.length
      this.onremove(file)
    })
    item.append(remove)
    if (type.startsWith("image/") && size < PREVIEW_LIMIT) showPreview(file, item)
    return item
  }
}

// On a canvas, because the page shows no pictures but the server's. One that the browser can't
// decode keeps its sign.
async function showPreview(file, item) {
  try {
    const options = { resizeHeight: PREVIEW_HEIGHT, resizeQuality: "medium" }
    const picture = await createImageBitmap(file, options)
    const { width, height } = picture
    const canvas = element("canvas", { className: "tray__preview", width, height })
    canvas.getContext("2d").drawImage(picture, 0, 0)
    picture.close()
    item.firstElementChild.replaceWith(canvas)
  } catch {
    // then it has only a name
  }
}
