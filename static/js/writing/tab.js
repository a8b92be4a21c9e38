// The name of this tab. It is the same after a reload and after a look at other pages, but not in a
// copy of the tab: so the browser keeps it only while the page is left or hidden.

import { recallTab, rememberTab } from "../browser/storage.js"
import { newNonce } from "../sending/nonce.js"

export const tab = recallTab() || `${Date.now()}-${newNonce()}` // the latest one is the last one

function note() {
  rememberTab(document.hidden ? tab : "")
}

note()
addEventListener("visibilitychange", note) // a hidden tab may be ended without a word
addEventListener("pagehide", () => rememberTab(tab))
