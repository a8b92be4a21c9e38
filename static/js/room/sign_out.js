// Signing out while messages are not sent yet asks first: they stay in this browser, and go out when
// their author comes back.

const CONFIRM_WITHIN = 10_000 // ms; a second press within this time signs out

// `unsent` returns how many messages wait; `tell` shows a text.
export function askBeforeSigningOut(form, unsent, tell) {
  let askedAt = -Infinity
  const ask = (event) => {
    if (!unsent() || event.timeStamp - askedAt < CONFIRM_WITHIN) return
    askedAt = event.timeStamp
    event.preventDefault()
    event.stopImmediatePropagation() // the draft would be deleted
    const messages = unsent() === 1 ? "A message is" : `${unsent()} messages are`
    tell(`${messages} not sent yet. Press again to sign out all the same.`)
  }
  form.addEventListener("submit", ask, { capture: true })
}
