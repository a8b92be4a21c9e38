// Time in the reader's zone: clocks, lines between days, and which messages belong together.

import { unseen } from "./text.js"

const TOGETHER = 5 * 60_000 // ms between messages of one person that show the name once
const A_MINUTE = 60_000 // ms

const CLOCK = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
})
const WEEKDAY = new Intl.DateTimeFormat("en-GB", { weekday: "long" })
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric" })

// Puts hours and minutes into an element; its text has the seconds as well, as in [10:30:05].
export function showTime(element, date) {
  const clock = CLOCK.format(date)
  element.replaceChildren(unseen("["), clock.slice(0, 5), unseen(`${clock.slice(5)}]`))
}

export function fullTime(date) {
  return `${fullDate(date)}, ${CLOCK.format(date)}`
}

// Settles what stands between a message and the one before: a day, or nothing, not even a name.
export function settle(message) {
  const spot = lineBefore(message)?.matches(".log__new") ? lineBefore(message) : message
  let previous = lineBefore(spot)
  const day = previous?.matches(".day") ? previous : null
  while (previous && !previous.matches(".message")) previous = lineBefore(previous)
  const isSameDay = previous && dateOf(previous).toDateString() === dateOf(message).toDateString()
  if (isSameDay) day?.remove()
  else if (!day) spot.before(dayLine(dateOf(message)))
  const follows =
    isSameDay &&
    previous === lineBefore(message) &&
    previous.dataset.user === message.dataset.user &&
    dateOf(message) - dateOf(previous) < TOGETHER
  message.classList.toggle("message--follows", Boolean(follows))
}

// Today becomes yesterday while the page is open.
export function keepDays(log) {
  setInterval(() => {
    for (const day of log.querySelectorAll(".day")) {
      const name = dayName(new Date(day.dataset.time))
      if (day.textContent !== name) day.textContent = name
    }
  }, A_MINUTE)
}

function dayLine(date) {
  const line = document.createElement("p")
  line.className = "day"
  line.dataset.time = date.toISOString()
  line.textContent = dayName(date)
  return line
}

function dayName(date) {
  const yesterday = new Date()
  yesterday.setDate(yesterday.getDate() - 1)
  if (date.toDateString() === new Date().toDateString()) return "Today"
  return date.toDateString() === yesterday.toDateString() ? "Yesterday" : fullDate(date)
}

function fullDate(date) {
  return `${WEEKDAY.format(date)}, ${DATE.format(date)}`
}

// What came with the page stands in a part of its own, before what came since.
function lineBefore(line) {
  const { previousElementSibling, parentElement } = line
  if (previousElementSibling || !parentElement.matches(".log__live")) return previousElementSibling
  return parentElement.previousElementSibling.lastElementChild
}

function dateOf(message) {
  return new Date(message.querySelector(".message__time").dateTime)
}
