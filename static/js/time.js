// Times and dates in the reader's time zone.

import { copyOnly } from "./rich_text.js"

const CLOCK = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
})
const WEEKDAY = new Intl.DateTimeFormat("en-GB", { weekday: "long" })
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric" })

// Show 10:30 in an element; a copy of the text has [10:30:05].
export function showTime(element, date) {
  const clock = CLOCK.format(date)
  element.replaceChildren(copyOnly("["), clock.slice(0, 5), copyOnly(`${clock.slice(5)}]`))
}

export function fullTime(date) {
  return `${fullDate(date)}, ${CLOCK.format(date)}`
}

// Return "Today", "Yesterday" or the date.
export function dayName(date) {
  const yesterday = new Date()
  yesterday.setDate(yesterday.getDate() - 1)
  if (date.toDateString() === new Date().toDateString()) return "Today"
  return date.toDateString() === yesterday.toDateString() ? "Yesterday" : fullDate(date)
}

function fullDate(date) {
  return `${WEEKDAY.format(date)}, ${DATE.format(date)}`
}
