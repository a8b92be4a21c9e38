// Names after @ in a text.

import { UNSPACED } from "./letters.js"

// What begins a name: an @, but not within a word or a mail address, and not after a backslash. A
// mark of direction or an isolate may follow it, as in what is copied from other messengers.
export const BEFORE_NAME =
  String.raw`(?:(?<![\p{L}\p{M}\p{N}_]\.?|[@\\])|(?<=${UNSPACED}\.?))[@＠][\u200e\u200f\u2066-\u2068]?`
export const LETTER = String.raw`[\p{L}\p{M}\p{N}_.-]` // of a name

const SEAM = new RegExp(String.raw`(?<=${UNSPACED})(?=\p{L})|(?=${UNSPACED})(?=\p{L})`, "gu")

// Return the beginning of a name that is a login, or nothing. A login may end in a full stop or a
// hyphen; else that ends the sentence. Letters of scripts without spaces may follow a login, or
// others the login in such a script.
export function loginIn(name, login) {
  const seams = name.slice(0, 4 * login.length).matchAll(SEAM) // normalized, it may be shorter
  const ends = [name.search(/(?<![.-])[.-]+$/), ...Array.from(seams, ({ index }) => index)]
  const beginnings = ends.filter((end) => end > 0).map((end) => name.slice(0, end))
  const key = caseless(login)
  return [name, ...beginnings].find((each) => caseless(each) === key)
}

// Return the form that all spellings of a name share, as the server compares them.
export function caseless(name) {
  return name.normalize("NFKC").toLowerCase()
}
