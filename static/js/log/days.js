// Days in the reader's time zone, as a date field has them: 2026-03-01.

// Return the day of a time.
export function dayOf(date) {
  const [year, month, day] = [date.getFullYear(), date.getMonth() + 1, date.getDate()]
  return `${year}-${String(month).padStart(2, "0")}-${String(day).padStart(2, "0")}`
}

// Return the address that leads to the first message of a day. Only a browser knows when the day
// begins where the reader is: where clocks go forward at midnight, it has no midnight.
export function addressOfDay(day) {
  const begin = new Date(`${day}T00:00`)
  return `/?${new URLSearchParams({ date: begin.toISOString() })}`
}
