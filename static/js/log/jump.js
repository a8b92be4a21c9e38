// The jump to a day: the name of a day in the log opens a small form, which asks for another one.

import { addressOfDay, dayOf } from "./days.js"

const TIMEOUT = 15_000 // ms

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
      await go(await firstOf(date.value))
    } catch {
      tell("The messages could not be loaded. Please try again")
    }
  })
}

async function firstOf(day) {
  const response = await fetch(addressOfDay(day), {
    headers: { Accept: "application/json" },
    signal: AbortSignal.timeout(TIMEOUT),
  })
  if (!response.ok) throw new Error("the day cannot be found")
  const { seq } = await response.json()
  return seq
}
