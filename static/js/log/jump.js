// The jump to a day: the name of a day in the log opens a small form, which asks for another one.

import { fetchJSON } from "../browser/fetch_json.js"
import { addressOfDay, dayOf } from "./days.js"

// `go` is called with the seq of the first message of the day that was chosen, `tell` with a text.
export function offerDays(log, form, { go, tell }) {
  const { date } = form.elements
  log.addEventListener("click", ({ target }) => {
    const name = target.closest(".day__name")
    if (!name) return
    date.value = dayOf(new Date(name.parentElement.dataset.time))
    const { left, width, bottom } = name.getBoundingClientRect()
    form.style.setProperty("--middle", `${left + width / 2}px`)
    form.style.setProperty("--below", `${bottom}px`)
  })
  form.addEventListener("submit", async (event) => {
    event.preventDefault()
    form.hidePopover()
    try {
      const { seq } = await fetchJSON(addressOfDay(date.value))
      await go(seq)
    } catch {
      tell("The messages could not be loaded. Please try again")
    }
  })
}
