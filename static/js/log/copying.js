// The clipboard: of a selection in the log only what was said is copied, or dragged. Of several
// messages each is a line as somebody would type it, "[10:15] bob: text"; of one it is the text. A
// file is its name, "[photo.png] text".

import { fileOf } from "./file.js"
import { clockTime } from "./time.js"

export function copyWhatWasSaid(log) {
  document.addEventListener("copy", (event) => {
    if (event.target.closest?.("input, textarea")) return
    if (putInto(event.clipboardData, log)) event.preventDefault()
  })
  // The target is a text if the selection is dragged, rather than a link.
  document.addEventListener("dragstart", ({ target, dataTransfer }) => {
    if (target.nodeType === Node.TEXT_NODE) putInto(dataTransfer, log)
  })
}

// Return false if nothing that was said is selected, but such as a name alone.
function putInto(data, log) {
  const selection = getSelection()
  if (selection.isCollapsed) return false
  const messages = [...log.querySelectorAll(".message")]
  const parts = messages.map((message) => partOf(message, selection)).filter(({ text }) => text)
  if (!parts.length) return false
  const lines = parts.length === 1 ? [parts[0].text] : parts.map(line)
  data.setData("text/plain", lines.join("\n"))
  data.setData("text/html", lines.map(asHtml).join(""))
  return true
}

// Return what is selected of a message's text, which in Firefox may be several parts of it. It has
// its signs, such as ** around bold words.
function partOf(message, selection) {
  const content = message.querySelector(".message__text")
  const ranges = Array.from({ length: selection.rangeCount }, (_, i) => selection.getRangeAt(i))
  const text = ranges.map((range) => textIn(content, range)).filter(Boolean).join("\n")
  const file = message.querySelector(".message__file")
  if (!file || !selection.containsNode(file)) return { message, text }
  return { message, text: `[${fileOf(message).name}] ${text}`.trimEnd() }
}

function textIn(content, range) {
  if (!range.intersectsNode(content)) return ""
  const part = document.createRange()
  part.selectNodeContents(content)
  if (part.compareBoundaryPoints(Range.START_TO_START, range) < 0) {
    part.setStart(range.startContainer, range.startOffset)
  }
  if (part.compareBoundaryPoints(Range.END_TO_END, range) > 0) {
    part.setEnd(range.endContainer, range.endOffset)
  }
  return part.toString()
}

function line({ message, text }) {
  const time = clockTime(new Date(message.querySelector("time").dateTime))
  return `[${time}] ${message.dataset.user}: ${text}`
}

function asHtml(text) {
  const paragraph = document.createElement("p")
  paragraph.style.whiteSpace = "pre-wrap"
  paragraph.textContent = text
  return paragraph.outerHTML
}
