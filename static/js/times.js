// Shows the times of a page in the reader's time zone, and removes what says that they are in UTC.

import "./page.js"
import { addressOfDay } from "./log/days.js"

const SHORT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" })

for (const time of document.querySelectorAll("time")) {
  time.textContent = SHORT.format(new Date(time.dateTime))
  time.dir = "auto"
}
for (const note of document.querySelectorAll(".utc")) note.remove()

document.getElementById("jump")?.addEventListener("submit", (event) => {
  event.preventDefault()
  location.assign(addressOfDay(event.target.elements.date.value))
})
