// Texts in localStorage. What belongs to a person has a key like `draft:alice`, perhaps with more
// after another colon; a key without a colon is a setting of this browser. A browser may forbid
// localStorage, and it may be full.

const TAB = "tab"
const unkept = new Set() // keys of texts that the browser did not take

export function recall(key) {
  try {
    return localStorage.getItem(key) ?? ""
  } catch {
    return ""
  }
}

// Return true if that is done.
export function remember(key, text) {
  unkept.delete(key)
  try {
    if (text) localStorage.setItem(key, text)
    else localStorage.removeItem(key)
    return true
  } catch {
    if (text) unkept.add(key)
    return false
  }
}

// Let the browser ask before the page is left while it has texts of a person that are kept nowhere, or
// `hasMore` returns true.
export function askBeforeLoss(hasMore) {
  addEventListener("beforeunload", (event) => {
    if (hasMore() || [...unkept].some((key) => key.includes(":"))) event.preventDefault()
  })
}

// Return the keys that have a prefix and a name without a colon after it, in their order.
export function keysOf(prefix) {
  const isOne = (key) => key.startsWith(prefix) && !key.includes(":", prefix.length)
  return keys().filter(isOne).sort()
}

// Remove a text of another tab, and return it. A tab that is still open stores its text again: that
// it was "" before it was removed says that nobody has signed out.
export function takeOver(key) {
  const text = recall(key)
  try {
    localStorage.setItem(key, "")
  } catch {
    // then it is only removed
  }
  remember(key, "")
  return text
}

// Call a function when another tab takes a text of this one over.
export function onTakenOver(ownKey, store) {
  addEventListener("storage", ({ key, oldValue, newValue }) => {
    if (key === ownKey && oldValue === "" && newValue === null) store()
  })
}

// What the browser keeps for one tab: its name, see tab.js.
export function recallTab() {
  try {
    return sessionStorage.getItem(TAB) ?? ""
  } catch {
    return ""
  }
}

export function rememberTab(name) {
  try {
    if (name) sessionStorage.setItem(TAB, name)
    else sessionStorage.removeItem(TAB)
  } catch {
    // then a reload makes it another tab
  }
}

// Return true if there is something that belongs to a person.
export function hasPersonal() {
  return keys().some((key) => key.includes(":"))
}

// Remove what belongs to any person but this one, and return it, as [key, text].
export function removePersonal({ except } = {}) {
  if (except === undefined) rememberTab("")
  unkept.clear()
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
