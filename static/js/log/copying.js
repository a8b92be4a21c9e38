// The clipboard: of a selection in the log only what was said is copied. Of several messages each
// is a line as somebody would type it, "[10:15] bob: text"; of a part of one it is that text.

import { clockTime } from "./time.js"

export function copyWhatWasSaid(log) {
  document.addEventListener("copy", (event) => {
    const selection = getSelection()
    if (selection.isCollapsed || event.target.closest?.("input, textarea")) return
    const range = selection.getRangeAt(0)
    const messages = [...log.querySelectorAll(".message")]
    const parts = messages.map((message) => partOf(message, range)).filter(({ text }) => text)
    if (!parts.length) return // such as a name alone
    const lines = parts.length === 1 ? [parts[0].text] : parts.map(line)
    event.clipboardData.setData("text/plain", lines.join("\n"))
    event.clipboardData.setData("text/html", lines.map(asHtml).join(""))
    event.preventDefault()
  })
}

// Return what is selected of a message's text. It has its signs, such as ** around bold words.
function partOf(message, range) {
  const content = message.querySelector(".message__text")
  const part = document.createRange()
  part.selectNodeContents(content)
  if (!range.intersectsNode(content)) return { message, text: "" }
  if (part.compareBoundaryPoints(Range.START_TO_START, range) < 0) {
    part.setStart(range.startContainer, range.startOffset)
  }
  if (part.compareBoundaryPoints(Range.END_TO_END, range) > 0) {
    part.setEnd(range.endContainer, range.endOffset)
  }
  return { message, text: part.toString() }
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
