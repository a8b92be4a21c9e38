// Long messages are folded: they show their beginning, and a box to tick for all of it. How long a
// text is, is estimated, because to measure each message takes long and moves those that are read.

const MOST_LINES = 20 // as many as message.css shows of a folded message
const DESK = 120 // characters of a line
const PHONE = 40
const WIDE = /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff01-\uff60]|[\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/gu
const WIDEST = /[\t\ufdfa-\ufdfd]/g // tabs, and phrases in one character, as wide as eight

// Return the class of a message with this text, "" if it is short. The same as in chat/folding.py.
export function foldClass(text) {
  if (isLonger(text, DESK)) return "message--long"
  return isLonger(text, PHONE) ? "message--long-on-phone" : ""
}

// Fold a message, or not, as long as its text is now. If all of it is shown, that stays.
export function fold(message, text) {
  message.classList.remove("message--long", "message--long-on-phone")
  const name = foldClass(text)
  if (name) message.classList.add(name)
  const label = message.querySelector(".message__fold")
  if (!name) label?.remove()
  else if (!label) message.querySelector(".message__text").after(createLabel())
}

// Show all of a message.
export function unfold(message) {
  const box = message.querySelector(".message__fold input")
  if (box) box.checked = true
}

// Show all of a message in which the browser goes to what is hidden, as it does for what one
// searches in the page. Call `onfolded` with each message that is folded or unfolded by hand.
export function listenToFolds(log, onfolded = () => {}) {
  log.addEventListener("change", ({ target }) => {
    const label = target.closest(".message__fold")
    if (!label) return
    onfolded(label.parentElement)
    if (!target.checked) label.scrollIntoView({ block: "nearest" }) // it may be far above now
  })
  // It does not bubble.
  log.addEventListener("scroll", ({ target }) => {
    if (!target.matches(".message__text") || !target.scrollTop) return
    const hidden = target.scrollTop
    unfold(target.parentElement)
    target.scrollTop = 0
    log.scrollTop += hidden
  }, true)
}

function isLonger(text, width) {
  let lines = 0
  for (const line of text.split("\n", MOST_LINES + 1)) { // more are too many in any case
    const wide = (line.match(WIDE)?.length ?? 0) + 7 * (line.match(WIDEST)?.length ?? 0)
    const characters = [...line].length + wide
    lines += Math.max(1, Math.ceil(characters / width))
  }
  return lines > MOST_LINES
}

function createLabel() {
  const label = document.createElement("label")
  const box = document.createElement("input")
  label.className = "message__fold"
  box.type = "checkbox"
  label.append(box, " Show all")
  return label
}
