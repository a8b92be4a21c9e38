// The page with a link that is shown once: a press on Copy puts it on the clipboard.

import "./page.js"
import { copyText } from "./browser/clipboard.js"

const link = document.querySelector("#link")
const button = document.querySelector("#copy")

link.addEventListener("focus", () => link.select())
button.hidden = false
button.addEventListener("click", async () => {
  if (await copyText(link.value)) button.textContent = "Copied"
  else link.focus() // which selects it, for the reader's own keys
})
