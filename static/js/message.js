// A message's element: made of what the socket brings, or dressed as it came with the page.

import { fullTime, settle, showTime } from "./days.js"
import { richText, unseen } from "./text.js"

const TONES = 8 // colours for people; message.css has them

// Makes the element of a message; the reader's own are marked.
export function create({ seq, user, msg, time, state = "" }, reader) {
  const message = document.getElementById("message-template").content.firstElementChild
  const made = message.cloneNode(true)
  made.dataset.seq = seq
  made.dataset.user = user
  made.id = `m${seq}`
  made.querySelector(".message__time").dateTime = time
  made.querySelector(".message__author").replaceChildren(unseen("("), user, unseen(")"))
  made.querySelector(".message__text").textContent = msg
  setState(made, state)
  dress(made, reader)
  return made
}

// Makes what came with a page the reader's own, in place of what it shows without scripts.
export function dressAll(log) {
  log.classList.add("log--dressed")
  log.querySelector(".log__zone")?.remove()
  for (const day of log.querySelectorAll(".day")) day.remove()
  for (const message of log.querySelectorAll(".message")) {
    dress(message, log.dataset.user)
    settle(message)
  }
}

// Gives a plain message the reader's time, colours, links.
export function dress(message, reader) {
  const { user } = message.dataset
  const time = message.querySelector(".message__time")
  showTime(time, new Date(time.dateTime))
  time.title = fullTime(new Date(time.dateTime))
  message.querySelector(".message__author").classList.add(`message__author--${tone(user)}`)
  message.classList.toggle("message--own", user === reader)
  const text = message.querySelector(".message__text")
  text.replaceChildren(richText(text.textContent, reader))
}

// Shows how a message reads now. It has been read out before, so it is not once more.
export function revise(message, { msg, state }, reader) {
  message.ariaLive = "off"
  message.querySelector(".message__text").replaceChildren(richText(msg, reader))
  setState(message, state)
}

// The same for a person everywhere.
function tone(user) {
  let hash = 0
  for (const character of user) hash = (hash * 31 + character.codePointAt(0)) % 65_521
  return hash % TONES
}

function setState(message, state) {
  message.classList.toggle("message--edited", state === "edited")
  message.classList.toggle("message--deleted", state === "deleted")
  message.querySelector(".message__state").textContent = state
}
