const TIMEOUT = 15_000 // ms

// Return the log of the page at a URL.
export async function fetchLog(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT) })
  if (!response.ok || response.redirected) throw new Error("the history cannot be loaded")
  const page = new DOMParser().parseFromString(await response.text(), "text/html")
  const log = page.getElementById("subscribe")
  if (!log) throw new Error("the answer is another page") // of a proxy, perhaps
  return log
}
