// Asks the server whether it answers, and whether the reader is signed in.

// A browser does not say why a WebSocket was refused. Return "here" if the server answers other
// requests, "signed out" if it wants the reader to log in, else "": the network of a hotel answers
// with pages of its own, but with no 204, and with redirects to other hosts, which a page can't follow.
export async function askServer() {
  try {
    const { status, url } = await fetch("/read/0", { method: "HEAD" })
    if (new URL(url).pathname === "/login") return "signed out"
    return status === 204 ? "here" : ""
  } catch {
    return ""
  }
}
