// Groups the messages of the log: a divider begins each day, and messages that one person sends
// within minutes show the name only once.

import { dayName } from "./time.js"

const GROUPED_WITHIN = 5 * 60_000 // ms between two messages
const A_MINUTE = 60_000 // ms

// Join a message to those above it, or put a divider above it if it begins a day. Call it again when
// something else comes before the message.
export function placeInGroup(message) {
  const newDivider = rowBefore(message)?.matches(".log__new") ? rowBefore(message) : null
  const spot = newDivider ?? message // a day begins above the divider "New"
  let previous = rowBefore(spot)
  const dayDivider = previous?.matches(".day") ? previous : null
  while (previous && !previous.matches(".message")) previous = rowBefore(previous)
  const isSameDay = previous && dateOf(previous).toDateString() === dateOf(message).toDateString()
  if (isSameDay) dayDivider?.remove()
  else if (!dayDivider) spot.before(createDayDivider(dateOf(message)))
  const follows =
    isSameDay &&
    previous === rowBefore(message) &&
    previous.dataset.user === message.dataset.user &&
    dateOf(message) - dateOf(previous) < GROUPED_WITHIN &&
    !message.matches(".message--target") // who followed a link to it wants to see who wrote it
  message.classList.toggle("message--follows", Boolean(follows))
}

// Keep the names of days right while the page is open: today becomes yesterday.
export function keepDayNames(log) {
  setInterval(() => {
    for (const divider of log.querySelectorAll(".day")) {
      const name = dayName(new Date(divider.dataset.time))
      if (divider.textContent !== name) divider.firstElementChild.textContent = name
    }
  }, A_MINUTE)
}

function createDayDivider(date) {
  const divider = document.createElement("h2")
  divider.className = "day"
  divider.dataset.time = date.toISOString()
  const canJump = document.getElementById("jump") // which jump.js opens
  const name = document.createElement(canJump ? "button" : "span")
  name.className = "day__name"
  name.textContent = dayName(date)
  if (canJump) {
    name.type = "button"
    name.title = "Go to a day"
    name.tabIndex = -1 // or Tab would stop at each day; the search offers the same
    name.setAttribute("popovertarget", "jump")
  }
  divider.append(name)
  return divider
}

// The first row that came over the socket follows the last one that came with the page.
function rowBefore(row) {
  const { previousElementSibling, parentElement } = row
  if (previousElementSibling || !parentElement.matches(".log__live")) return previousElementSibling
  return parentElement.previousElementSibling.lastElementChild
}

function dateOf(message) {
  return new Date(message.querySelector("time").dateTime)
}
