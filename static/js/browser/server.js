// Asks the server whether it answers, and whether the reader is signed in.

const ANSWER_WITHIN = 10_000 // ms

// A browser does not say why a WebSocket was refused. Return "signed in", "signed out" if the server
// wants the reader to log in, else "": the network of a hotel answers with pages of its own, but with
// no 204, and with redirects to other hosts, which a page can't follow.
export async function askServer() {
  try {
    const signal = AbortSignal.timeout(ANSWER_WITHIN)
    const { status, url } = await fetch("/read/0", { method: "HEAD", signal })
    if (new URL(url).pathname === "/login") return "signed out"
    return status === 204 ? "signed in" : ""
  } catch {
    return ""
  }
}
