// Tells the server the reader's time zone, so that the next page has the right times at once.

const A_YEAR = 365 * 24 * 3600 // s

const minutesAhead = -new Date().getTimezoneOffset()
document.cookie = `zone=${minutesAhead}; path=/; max-age=${A_YEAR}; samesite=lax`
