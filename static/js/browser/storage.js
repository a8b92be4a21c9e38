// Texts in localStorage. What belongs to a person has a key like `draft:alice`, perhaps with more
// after another colon; a key without a colon is a setting of this browser. A browser may forbid
// localStorage, and it may be full.

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

// Remove what belongs to any person but this one, and return it, as [key, text].
export function removePersonal({ except } = {}) {
  // Logins of the 2016 tutorial may have colons, too.
  const isTheirs = (key) => `${key}:`.startsWith(`${except}:`, key.indexOf(":") + 1)
  const isRemoved = (key) => key.includes(":") && (except === undefined || !isTheirs(key))
  const removed = keys().filter(isRemoved).map((key) => [key, recall(key)])
  for (const [key] of removed) remember(key, "")
  return removed
}

function keys() {
  try {
    return Object.keys(localStorage)
  } catch {
    return []
  }
}
