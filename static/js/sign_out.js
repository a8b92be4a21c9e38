// Pages with forms that sign this browser out, but for the chat itself.

import { arrive, forgetAtSignOut } from "./forms/sign_out.js"
import { PendingStore } from "./sending/pending_store.js"

for (const form of document.querySelectorAll("[data-signs-out]")) {
  const user = form.dataset.signsOut
  const error = document.createElement("p")
  error.className = "field__error"
  error.role = "alert"
  form.append(error)
  arrive(user)
  const store = new PendingStore(user, () => {})
  const tell = (text) => (error.textContent = text)
  forgetAtSignOut(form, { user, unsent: () => store.all().length, tell })
}
