// A page that the browser has kept, to come back to, is loaded again: since it was left, its reader may
// have signed out.

addEventListener("pageshow", ({ persisted }) => persisted && location.reload())
