// The theme that the reader chooses is kept in a cookie, so that the server sends each page in it.

const A_YEAR = 365 * 24 * 3600 // s

export function chooseTheme(group) {
  group.addEventListener("change", ({ target: { value } }) => {
    const theme = value === "system" ? "" : value
    const { dataset } = document.documentElement
    if (theme) dataset.theme = theme
    else delete dataset.theme
    document.cookie = `theme=${theme}; path=/; max-age=${theme ? A_YEAR : 0}; samesite=lax`
  })
}
