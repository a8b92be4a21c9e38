const TIMEOUT = 15_000 // ms

// Return the log of the page at a URL.
export async function fetchLog(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT) })
  if (!response.ok || response.redirected) throw new Error("the history cannot be loaded")
  const page = new DOMParser().parseFromString(await response.text(), "text/html")
  return page.getElementById("subscribe")
}
