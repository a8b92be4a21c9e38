// Times and dates in the reader's time zone.

import { copyOnly } from "./rich_text.js"

// As the reader's own language writes them.
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" })
const FULL_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" })
const FULL_DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "full" })

// Show 10:30 in an element; a copy of the text has [10:30:05].
export function showTime(element, date) {
  const seconds = `:${String(date.getSeconds()).padStart(2, "0")}`
  const parts = CLOCK.formatToParts(date).flatMap(({ type, value }) => {
    return type === "minute" ? [value, copyOnly(seconds)] : [value]
  })
  element.replaceChildren(copyOnly("["), ...parts, copyOnly("]"))
}

export function clockTime(date) {
  return CLOCK.format(date)
}

export function fullTime(date) {
  return FULL_TIME.format(date)
}

let ahead = 0 // ms by which the reader's clock differs from the server's

// Learn the server's time when it rendered the page, because the reader's clock may be wrong.
export function learnTime(now) {
  ahead = Date.now() - Date.parse(now)
}

// Return "Today", "Yesterday" or the date.
export function dayName(date) {
  const today = new Date(Date.now() - ahead)
  const yesterday = new Date(today)
  yesterday.setDate(yesterday.getDate() - 1)
  if (date.toDateString() === today.toDateString()) return "Today"
  if (date.toDateString() === yesterday.toDateString()) return "Yesterday"
  return FULL_DATE.format(date)
}
