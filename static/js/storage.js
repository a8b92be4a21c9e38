// What this browser remembers. Where it keeps nothing, that lasts until the page is closed.

export function recall(key) {
  try {
    return localStorage.getItem(key) ?? ""
  } catch {
    return ""
  }
}

export function remember(key, text) {
  try {
    if (text) localStorage.setItem(key, text)
    else localStorage.removeItem(key)
  } catch {
    // no storage, or none left
  }
}
