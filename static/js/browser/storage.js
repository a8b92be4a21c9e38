// Short texts in localStorage. A browser may forbid it, and it may be full.

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
    // then the text is lost when the page is closed
  }
}
