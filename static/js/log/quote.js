// Quotes: a reply begins with lines of the message that it answers, as in e-mails.

import { mentions, quotesIn, withoutQuotes } from "./rich_text.js"

const LINES = 3
const LINE_LENGTH = 200 // characters
const SEQ = /^\d{1,15}:/

// Return the text with which a reply to a message begins. Its number becomes a link to it.
export function quote({ seq, user, msg }) {
  const lines = withoutQuotes(msg).split("\n").filter((line) => line.trim())
  const shown = lines.slice(0, LINES).map(shorten)
  if (lines.length > LINES) shown.push("…")
  const [first = "…", ...others] = shown
  return [`${user} #${seq}: ${first}`, ...others].map((line) => `> ${line}\n`).join("")
}

// Return true if a message mentions somebody, alone or with all, or answers them.
export function isMeantFor(login, { msg, all }) {
  return all === true || mentions(msg, login) || quotes(msg, login)
}

// Return true if a text begins lines with a quote of somebody's message, as quote() makes them.
export function quotes(text, login) {
  const begin = `> ${login} #`
  const lines = quotesIn(text).flatMap((quote) => quote.split("\n"))
  return lines.some((line) => line.startsWith(begin) && SEQ.test(line.slice(begin.length)))
}

function shorten(line) {
  const characters = Array.from(line)
  return characters.length > LINE_LENGTH ? `${characters.slice(0, LINE_LENGTH).join("")}…` : line
}
