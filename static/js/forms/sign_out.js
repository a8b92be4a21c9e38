// Forms that sign this browser out. Nothing of a person stays in it then, so they ask first while
// messages are not sent yet.

import { remember, removePersonal } from "../browser/storage.js"

const CONFIRM_WITHIN = 10_000 // ms; a second press within this time signs out

// `unsent` returns how many messages wait.
export function forgetAtSignOut(form, { user, unsent }) {
  let askedAt = -Infinity
  // A double click must not answer a question that nobody has read.
  form.addEventListener("click", (event) => event.detail > 1 && unsent() && event.preventDefault())
  form.addEventListener("submit", (event) => {
    const count = unsent()
    if (!count || event.timeStamp - askedAt < CONFIRM_WITHIN) return forget(form, user)
    askedAt = event.timeStamp
    event.preventDefault()
    const name = event.submitter.textContent.trim()
    const [messages, it] = count === 1 ? ["A message is", "it"] : [`${count} messages are`, "them"]
    showError(form, `${messages} not sent yet. Press “${name}” again to go on and lose ${it}.`)
  })
}

function showError(form, text) {
  form.querySelector(".field__error")?.remove()
  const error = document.createElement("p")
  error.className = "field__error"
  error.role = "alert"
  error.textContent = text
  form.append(error)
}

// The server may refuse a form with a password: then its sender is still signed in, and has lost
// nothing. Else the log-in page finds this note, and removes everything.
function forget(form, user) {
  if (form.querySelector("[type=password]")) remember(leaving(user), "yes")
  else removePersonal()
}

// Remove from this browser what belongs to others, and the note of a form that was refused.
export function arrive(user) {
  removePersonal({ except: user })
  remember(leaving(user), "")
}

export function isLeaving(key) {
  return key.startsWith(leaving(""))
}

const leaving = (user) => `leaving:${user}`
