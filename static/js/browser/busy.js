// A form that the browser sends has a busy button until the next page comes, so that nobody presses
// it twice.

const AT_MOST = 10_000 // ms; the reader may have stopped the page from loading

addEventListener("submit", ({ submitter, defaultPrevented }) => {
  if (!submitter || defaultPrevented) return
  const finish = () => (submitter.ariaBusy = null)
  submitter.ariaBusy = "true"
  addEventListener("pagehide", finish, { once: true }) // the browser may keep this page to come back
  setTimeout(finish, AT_MOST)
})
