// The element of a message: created from an entry that came over the socket, or formatted in place
// if it came with the page.

import { addressOf, idOf } from "./addresses.js"
import { isOnlyEmoji } from "./emoji.js"
import { colourClass, initial } from "./avatar.js"
import { fileOf, showFile } from "./file.js"
import { fold } from "./fold.js"
import { placeInGroup } from "./grouping.js"
import { isMeantFor } from "./quote.js"
import { copyOnly, richText } from "./rich_text.js"
import { clockTime, fullTime, learnTime, showTime } from "./time.js"

const NOBODY_NOTIFIED = "nobody was notified: @all works once a minute" // as in message.html

// Return the element of an entry; `reader` is the login of the person at this page.
export function createMessage({ seq, user, msg, time, state = "", all, file }, reader) {
  const template = document.getElementById("message-template").content.firstElementChild
  const message = template.cloneNode(true)
  message.dataset.seq = seq
  message.dataset.user = user
  message.id = idOf(seq)
  message.querySelector("time").dateTime = time
  message.querySelector(".message__time").href = addressOf(seq)
  message.querySelector(".message__author").replaceChildren(copyOnly("("), user, copyOnly(")"))
  message.querySelector(".message__text").textContent = msg
  markAll(message, all)
  showFile(message, file, msg)
  showState(message, state)
  formatMessage(message, reader)
  return message
}

// Return the entry that a message shows, as the server would send it. Formatting keeps the text.
export function entryOf(message) {
  const { seq, user, all } = message.dataset
  return {
    seq: Number(seq),
    user,
    msg: message.querySelector(".message__text").textContent,
    time: message.querySelector("time").dateTime,
    state: message.querySelector(".message__state").textContent,
    all: all && all === "true",
    file: fileOf(message),
  }
}

// Format and group all messages that came with the page, and remove what is only for pages without
// scripts.
export function formatLog(log) {
  learnTime(log.dataset.now)
  log.classList.add("log--formatted")
  log.querySelector(".log__zone")?.remove()
  for (const day of log.querySelectorAll(".day")) day.remove()
  for (const message of log.querySelectorAll(".message")) {
    formatMessage(message, log.dataset.user)
    placeInGroup(message)
  }
}

// Show a message that has plain text in the reader's time zone, with colours, links and code.
export function formatMessage(message, reader) {
  const { user } = message.dataset
  const time = message.querySelector("time")
  showTime(time, new Date(time.dateTime))
  time.title = fullTime(new Date(time.dateTime))
  message.ariaLabel = `${user}, ${clockTime(new Date(time.dateTime))}`
  time.parentElement.tabIndex = -1 // or Tab would stop at each message
  const author = message.querySelector(".message__author")
  author.classList.add(colourClass(user))
  author.dataset.initial = initial(user)
  message.classList.toggle("message--own", user === reader)
  showText(message, message.querySelector(".message__text").textContent, reader)
}

// Show what a message says after a change. Screen readers have read it before, so not again.
export function updateMessage(message, { msg, state, all, file }, reader) {
  message.ariaLive = "off"
  markAll(message, all)
  showFile(message, file, msg)
  showText(message, msg, reader)
  showState(message, state)
}

function showText(message, msg, reader) {
  const { user, all } = message.dataset
  const names = all === "true" ? [reader, "all"] : [reader]
  message.querySelector(".message__text").replaceChildren(richText(msg, names))
  message.classList.toggle("message--for-reader", isMeantFor(reader, { msg, all: all === "true" }))
  message.querySelector(".message__text").classList.toggle("message__text--emoji", isOnlyEmoji(msg))
  fold(message, msg)
  const isInVain = all === "false" && user === reader
  message.querySelector(".message__note").textContent = isInVain ? NOBODY_NOTIFIED : ""
}

// Note what the server says of @all: whether it notifies everybody, undefined without one.
function markAll(message, all) {
  if (all === undefined) delete message.dataset.all
  else message.dataset.all = all
}

function showState(message, state) {
  message.classList.toggle("message--edited", state === "edited")
  message.classList.toggle("message--deleted", state === "deleted")
  message.querySelector(".message__state").textContent = state
}
