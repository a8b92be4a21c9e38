// What the server needs to know to send the next page right at once.

const A_YEAR = 365 * 24 * 3600 // s

// Keep a value in a cookie; "" removes it.
export function tellServer(name, value) {
  document.cookie = `${name}=${value}; path=/; max-age=${value === "" ? 0 : A_YEAR}; samesite=lax`
}
