// Addresses of the web and of mails in a text.

import { INVISIBLE, UNSPACED, WIDE } from "./letters.js"

const LABEL = String.raw`[\p{L}\p{M}\p{N}_-]` // a character of a host's name
const BEFORE = String.raw`(?<=^|[^\p{L}\p{M}\p{N}_.@/-]|${UNSPACED})`

// A host with a full stop. If its last part is of ASCII letters, others end it, as in example.com的.
// It has a limit, or of many that begin within each other all would be scanned to the end.
const HOST =
  String.raw`(?:(?:${LABEL}+\.){1,40}[a-zA-Z]{2,63}(?![\w-])(?!${LABEL}*\.${LABEL})|` +
  String.raw`(?:${LABEL}+\.){1,40}(?![\w-])${LABEL}{2,63}(?!${LABEL}))`
const ANY_HOST = String.raw`${HOST}(?:\.(?=[/:]))?|[\p{L}\p{N}](?:${LABEL}|\.)*|\[[\dA-Fa-f:.]+\]`
const USER = String.raw`[\w.~!$&'()*+,;=:%-]*@`

// What may follow in an address, up to a space, a full-width sign or another address in a list.
const IN_PATH =
  String.raw`(?![,;|]https?:)[!#-;=?-[\]^_a-~]|` +
  String.raw`[^\s\x00-\x7f\p{Ps}\p{Pe}\p{Pi}»”${WIDE}${INVISIBLE}]`

// https://example.com/a, or the same without https:// if it begins with www.
export const URL_PATTERN =
  String.raw`(?:(?<=^|[^\p{L}\p{N}]|${UNSPACED})[Hh][Tt][Tt][Pp][Ss]?:\/\/(?:${USER})?(?:${ANY_HOST})|` +
  String.raw`${BEFORE}(?![\w.-]+@)[Ww]{3}\.${HOST})(?::\d+)?(?:[/?#](?:${IN_PATH})*)?`

// bob@example.com, but neither git@example.com:repository nor ssh://git:password@example.com. What is
// before the @ has limits, or finding none would take quadratic time.
export const MAIL_PATTERN =
  String.raw`${BEFORE}\w[\w.+'-]{0,63}(?<!:\/\/[^\s/@]{0,99})@${HOST}(?![\w@-]|:\S)`

const BRACKETS = { ")": "(", "]": "[", "}": "{" }
const PUNCTUATION = /[.,;:!?'*_~|^([{]|[^\x00-\x7f\P{P}]/u // such as … ’ ، । beyond ASCII

// Return the beginning of a URL that is the link: without a full stop that ends the sentence, and
// without a closing bracket whose opening one is before the link.
export function withoutPunctuation(url) {
  const balance = { "(": 0, "[": 0, "{": 0 }
  for (const character of url) {
    if (character in balance) balance[character]++
    else if (character in BRACKETS) balance[BRACKETS[character]]--
  }
  let length = url.length
  for (; length; length--) {
    const character = url[length - 1]
    const opening = BRACKETS[character]
    if (opening && balance[opening] < 0) balance[opening]++
    else if (PUNCTUATION.test(character)) balance[character] -= character in balance ? 1 : 0
    else break
  }
  return url.slice(0, length)
}

// Return where a URL leads, or nothing if it is none.
export function target(url) {
  const href = /^www/i.test(url) ? `https://${url}` : url
  return URL.canParse(href) ? href : null
}
