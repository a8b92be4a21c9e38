// The log-in page: no field may be empty, and nothing of a person stays in this browser's storage.

import { recall, remember, removePersonal } from "./browser/storage.js"
import { check, emptyField } from "./forms/checks.js"
import { isLeaving } from "./forms/sign_out.js"

const form = document.querySelector("form")
const { unsent } = form.dataset // what to do with it; missing if somebody is signed in
check(form, emptyField)
if (unsent) clearStorage()

// Somebody's session has ended. If it has expired, or its cookie can't be read any more, nobody
// was asked whether what waits unsent may be lost: this page keeps it in memory, and its author
// gets it back by logging in here. If somebody has ended it, perhaps because this browser was
// lost, it is gone.
function clearStorage() {
  const removed = removePersonal()
  if (!removed.length || removed.some(([key]) => isLeaving(key))) return
  if (unsent === "lose") return tell("What you had not sent is lost.")
  tell("What you had not sent is kept until you log in on this page, or leave it.")
  form.addEventListener("submit", (event) => event.defaultPrevented || giveBack(removed))
}

// The chat removes it again if somebody else has logged in, so that is where to go.
function giveBack(texts) {
  for (const [key, text] of texts) if (!recall(key)) remember(key, text)
  form.elements.next?.remove()
}

function tell(text) {
  const notice = document.createElement("p")
  notice.role = "status"
  notice.textContent = text
  form.before(notice)
}
