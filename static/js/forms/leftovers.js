// What somebody who is signed out has left unsent in this browser.

import { askServer } from "../browser/server.js"
import { hasPersonal, recall, remember, removePersonal } from "../browser/storage.js"
import { seqOf } from "../log/addresses.js"
import { isLeaving } from "./sign_out.js"

const SIGNING_IN = "signing-in:" // key of the time when a form was sent
const SIGNED_IN_WITHIN = 10_000 // ms

// Remove it when the form of a page for strangers is shown. The form says whether to keep it in
// memory, `data-unsent="keep"`: if a session has expired, or its cookie can't be read any more,
// nobody was asked whether it may be lost. Its author gets it back by logging in, here or in another
// tab, which may not know that this one has it.
export async function removeLeftovers(form) {
  if (!form) return // a link that can't be used
  const { unsent } = form.dataset
  form.addEventListener("submit", (event) => {
    if (!event.defaultPrevented) remember(SIGNING_IN, Date.now())
  })
  if (unsent === "remove" && hasPersonal()) {
    // Another tab signs in again, and that has ended the session of this one; or it has done so
    // already; or it does so while the server is asked.
    if (isSigningIn() || (await askServer()) === "signed in" || isSigningIn()) return
  }
  remember(SIGNING_IN, "")
  if (!unsent) return // somebody is signed in, in another tab
  const removed = removePersonal()
  if (!removed.length || removed.some(([key]) => isLeaving(key))) return
  if (unsent === "keep") keep(removed, form)
  else tell("What was not sent from this browser has been removed.", form)
}

function isSigningIn() {
  const age = Date.now() - recall(SIGNING_IN)
  return age >= 0 && age < SIGNED_IN_WITHIN // not if the clock was put back since
}

function keep(texts, form) {
  const text = "What you had not sent is kept while this page is open. Log in here to get it back."
  const notice = tell(text, form)
  const putBack = () => {
    for (const [key, value] of texts.splice(0)) if (!recall(key)) remember(key, value)
    notice.remove()
  }
  addEventListener("storage", ({ key, newValue }) => key === SIGNING_IN && newValue && putBack())
  form.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return
    putBack()
    // The chat removes it again if somebody else has logged in, so that is where to go.
    const { next } = form.elements
    if (next && !seqOf(new URL(next.value, location))) next.remove()
  })
}

function tell(text, form) {
  const notice = document.createElement("p")
  notice.role = "status"
  notice.textContent = text
  form.before(notice)
  return notice
}
