// A form that the browser sends has a busy button until the next page comes.

addEventListener("submit", ({ submitter, defaultPrevented }) => {
  if (submitter && !defaultPrevented) submitter.ariaBusy = "true"
})

// The page may come back from the browser's cache.
addEventListener("pagehide", () => {
  for (const button of document.querySelectorAll("[aria-busy]")) button.ariaBusy = null
})
