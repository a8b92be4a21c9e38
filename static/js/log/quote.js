// Quotes: a reply begins with lines of the message that it answers, as in e-mails.

import { mentions, quotesIn, withoutQuotes } from "./rich_text.js"

const LINES = 3
const LINE_LENGTH = 200 // characters
const SHARE = 0.1 // of the longest message, for a line; most of that is for the reply
const SEQ = /^\d{1,15}:/

// Return the text with which a reply to a message begins: its lines, or else the name of its file. Its
// number becomes a link to it. A message may have `maxLength` characters.
export function quote({ seq, user, msg, file }, maxLength) {
  const length = Math.min(LINE_LENGTH, Math.floor(SHARE * maxLength))
  const lines = withoutQuotes(msg).split("\n").filter((line) => line.trim())
  const shown = lines.slice(0, LINES).map((line) => shorten(line, length))
  if (lines.length > LINES) shown.push("…")
  const [first = file?.name ?? "…", ...others] = shown
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

function shorten(line, length) {
  const characters = Array.from(line)
  return characters.length > length ? `${characters.slice(0, length).join("")}…` : line
}
