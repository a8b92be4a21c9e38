// Pages with forms that sign this browser out, but for the chat itself.

import "./page.js"
import { arrive, forgetAtSignOut } from "./forms/sign_out.js"
import { PendingStore } from "./sending/pending_store.js"

for (const form of document.querySelectorAll("[data-signs-out]")) {
  const user = form.dataset.signsOut
  const store = new PendingStore(user, () => {})
  arrive(user)
  forgetAtSignOut(form, { user, unsent: () => store.all().length })
}
