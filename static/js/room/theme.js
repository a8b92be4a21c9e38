// The theme that the reader chooses is kept in a cookie, so that the server sends each page in it.

const A_YEAR = 365 * 24 * 3600 // s

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
    document.cookie = `theme=${theme}; path=/; max-age=${theme ? A_YEAR : 0}; samesite=lax`
  })
}
