// The theme that the reader chooses is kept in a cookie, so that the server sends each page in it.

import { tellServer } from "../browser/cookies.js"

export function chooseTheme(group) {
  group.addEventListener("change", ({ target: { value } }) => {
    const theme = value === "system" ? "" : value
    const { dataset } = document.documentElement
    if (theme) dataset.theme = theme
    else delete dataset.theme
    // What the browser draws around the page, as base.html has it.
    for (const meta of document.querySelectorAll("[name=theme-color][data-scheme]")) {
      const { scheme } = meta.dataset
      if (theme) meta.media = scheme === theme ? "all" : "not all"
      else meta.media = `(prefers-color-scheme: ${scheme})`
    }
    tellServer("theme", theme)
  })
}
