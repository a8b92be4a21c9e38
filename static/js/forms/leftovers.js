// What somebody who is signed out has left unsent in this browser.

import { recall, remember, removePersonal } from "../browser/storage.js"
import { isLeaving } from "./sign_out.js"

// Remove it when the form of a page for strangers is shown. The form says whether to keep it in
// memory, `data-unsent="keep"`: if a session has expired, or its cookie can't be read any more,
// nobody was asked whether it may be lost. Its author gets it back by logging in with this form.
export function removeLeftovers(form) {
  const { unsent } = form?.dataset ?? {}
  if (!unsent) return // somebody is signed in, in another tab
  const removed = removePersonal()
  if (!removed.length || removed.some(([key]) => isLeaving(key))) return
  if (unsent === "keep") keep(removed, form)
  else tell("What was not sent from this browser has been removed.", form)
}

function keep(texts, form) {
  tell("What you had not sent is kept while this page is open. Log in here to get it back.", form)
  form.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return
    for (const [key, text] of texts) if (!recall(key)) remember(key, text)
    // The chat removes it again if somebody else has logged in, so that is where to go.
    form.elements.next?.remove()
  })
}

function tell(text, form) {
  const notice = document.createElement("p")
  notice.role = "status"
  notice.textContent = text
  form.before(notice)
}
