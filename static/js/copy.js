// The page with a link that is shown once: a press on Copy puts it on the clipboard.

import "./page.js"

const link = document.querySelector("#link")
const button = document.querySelector("#copy")

link.addEventListener("focus", () => link.select())
button.hidden = !navigator.clipboard // which only pages over HTTPS or from this machine have
button.addEventListener("click", async () => {
  await navigator.clipboard.writeText(link.value)
  button.textContent = "Copied"
})
