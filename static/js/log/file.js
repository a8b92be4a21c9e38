// The element of a message's file: a picture, or a card with its name. The same as in chat/file.html.

import { element } from "../browser/element.js"

const WIDTH = 400 // px that a preview may take, as in chat/shown_file.py
const HEIGHT = 320
const EXTENSION = /[^.]\.([A-Za-z0-9]{1,5})$/
const PLAYED = /^(audio\/(mpeg|mp4|aac|ogg|flac|wav|webm)|video\/(mp4|quicktime|webm|ogg))$/
const WORDS = { image: "picture", audio: "sound", video: "video" }
const UNITS = ["kB", "MB", "GB"]

// Show the file of a message, which says this; undefined: it has none, or none any more.
export function showFile(message, file, msg) {
  const shown = message.querySelector(".message__file")
  if (!file) {
    shown?.remove()
    delete message.dataset.file
  } else if (!shown) {
    message.dataset.file = JSON.stringify(file)
    message.append(createFile(file, msg))
  } else if (file.preview) {
    shown.querySelector("img").alt = msg || file.name
  }
}

// Return the file that a message shows, as the server sends it; undefined if it has none.
export function fileOf({ dataset }) {
  return dataset.file && JSON.parse(dataset.file)
}

// Return how large a picture is shown, { width, height } in px, and what is said of a file, { sign,
// kind, player }. The same as in chat/shown_file.py.
export function shownFile({ name, type, width = 0, height = 0 }) {
  const scale = Math.min(1, WIDTH / (width || 1), HEIGHT / (height || 1))
  const scaled = (side) => Math.max(1, Math.floor(side * scale + 0.5))
  const [group] = type.split("/")
  const extension = EXTENSION.exec(name)?.[1].toUpperCase() ?? ""
  const word = WORDS[group] ?? "file"
  return {
    width: scaled(width),
    height: scaled(height),
    sign: extension || "FILE",
    kind: extension ? `${extension} ${word}` : word[0].toUpperCase() + word.slice(1),
    player: PLAYED.test(type) ? group : "",
  }
}

// Return a number of bytes as in "640 bytes", "87 kB" or "1.2 MB". The same as in pages/sizes.py.
export function sizeText(size) {
  if (size < 1000) return size === 1 ? "1 byte" : `${size} bytes`
  let [number, unit] = [size / 1000, 0]
  for (; number >= 999.5 && unit < UNITS.length - 1; unit++) number /= 1000
  return `${number.toFixed(number < 9.95 ? 1 : 0)} ${UNITS[unit]}`
}

function createFile(file, msg) {
  const { id, name, size, preview, text } = file
  const { width, height, sign, kind, player } = shownFile(file)
  const href = `/file/${id}`
  if (preview) {
    const alt = msg || name
    const title = `${name}, ${sizeText(size)}`
    const picture = element("img", { src: preview, alt, width, height, loading: "lazy", decoding: "async" })
    return element("div", { className: "message__file" },
      element("a", { className: "file__picture", href, title }, picture))
  }
  const row = element("a", { className: "file__row", href: `${href}?download`, download: "" },
    element("span", { className: "file__about" },
      element("span", { className: "file__name", dir: "auto" }, name), " ",
      element("span", { className: "file__size" }, `${kind}, ${sizeText(size)}`)), " ",
    element("span", { className: "file__download" }, "Download"))
  row.dataset.sign = sign
  const card = element("div", { className: "file" })
  if (text) card.append(element("div", { className: "file__text", dir: "auto" }, text))
  else if (player) {
    const controls = { ariaLabel: name, preload: "metadata", controls: true }
    card.append(element(player, { className: "file__player", src: href, ...controls }))
  }
  card.append(row)
  return element("div", { className: "message__file" }, card)
}
