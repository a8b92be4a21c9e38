// Rich text: shows quotes, links, code, bold, italics and mentions of the reader in the text of a
// message. The signs around them stay in the page but are hidden, so that a copy of the text has all
// its characters. Signs that mark nothing stay visible; a backslash before a sign makes it one.

import { addressOf } from "./addresses.js"

// Letters of scripts without spaces between words, or whose words take particles, as Hangul does:
// beside one, a link or a name may begin, and a word may be bold.
export const UNSPACED = `[${["Han", "Hira", "Kana", "Bopo", "Hang", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"]
  .map((script) => String.raw`\p{scx=${script}}`)
  .join("")}]`
// Full-width punctuation, as it is in these scripts, and small or vertical forms of it.
const WIDE =
  String.raw`\u3000-\u3004\u3008-\u3020\u3030\u303d\ufe10-\ufe19\ufe30-\ufe6f` +
  String.raw`\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65`
const INVISIBLE = String.raw`\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f` // marks of direction

// What may be before a link, and before the @ of a name.
const BEFORE_LINK = String.raw`(?<=^|[^\p{L}\p{M}\p{N}_.@/-]|${UNSPACED})`
export const BEFORE_NAME = String.raw`(?<=^|[^\p{L}\p{M}\p{N}_.@\\-]|${UNSPACED})`

// A link's host that ends where words in such a script begin, as in example.com的.
const KNOWN_HOST = new RegExp(
  String.raw`^(?:[a-zA-Z]+:\/\/)?(?:[\w-]+\.)+[a-zA-Z]{2,63}(?::\d+)?(?=${UNSPACED})(?![^\s/]*\.)`,
  "u",
)

// Emphasis opens after a space, an opening bracket or an emoji, before a letter, a digit or a name,
// and closes before a space, punctuation or an emoji. So there is none in 2*3*4, a_b_c, *_*,
// count(*) or f(*a, **b).
const BEFORE = String.raw`^|[\s\p{Ps}\p{Pi}\p{So}${WIDE}]`
const AFTER = String.raw`$|[\s\p{P}\p{So}]`
const ALNUM = String.raw`[\p{L}\p{N}]`
const emphasized = (sign) =>
  String.raw`(?=@?${ALNUM})(?:[^${sign}\n]|(?<=${ALNUM})[${sign}](?=${ALNUM}))*(?<![\s${sign}\\])`

// The same between signs that a backslash escapes, and what is code without it.
const LITERAL = [String.raw`\*\\?\*`, String.raw`\*`, "_"]
  .map((sign) => String.raw`${sign}${emphasized(sign.at(-1))}\\?${sign}`)
  .concat("`[^`\\n]*[^`\\n\\\\]\\\\?`")
  .join("|")

const QUOTED = String.raw`> [ \t]*[^ \t\n][^\n]*` // one line

// Rules for whole lines: their parts are texts of their own. Where several rules match at one place,
// the first of them counts. The server finds the same quotes (quotes() in chat/render.py).
//
// A rule has a pattern, with a group of the rule's name, and the token that a match makes: { node,
// a function that creates its element; length, if that is not the whole match; isMention, true if it
// mentions the reader }, or nothing.
//
// Matching takes linear time, however hostile the text: after an attempt that fails, the next one
// does not scan the same characters again.
const BLOCKS = {
  // ```A block of code```; a word that is alone in its first line names the language.
  block: {
    pattern: /(?<![`\\])```(?!`)(?<language>[a-zA-Z][\w+#-]*(?=\n))?(?<block>[^]+?)(?<!`)```(?!`)\n?/u,
    token: ({ block, language = "" }, whole) => ({
      node: () => codeBlock(whole, language, block),
    }),
  },

  // > Quoted: all lines in a row that begin with this sign and a space, but not >= or >>>. A line
  // between them may have the sign alone.
  quote: {
    pattern: new RegExp(
      String.raw`(?<![^\n])(?<quote>${QUOTED}(?:(?:\n>[ \t]*)*\n${QUOTED})*)\n?`,
      "u",
    ),
    token: (_, whole, reader) => ({ node: () => quoted(whole, reader) }),
  },
}

// Rules within a line.
const SPANS = {
  // `Code` in one line, between single backquotes.
  code: {
    pattern: /(?<![`\\])`(?<code>[^`\n]+)`(?!`)/u,
    token: ({ code }) => ({
      node: () => element("code", "code", copyOnly("`"), code, copyOnly("`")),
    }),
  },

  // **Bold** in one line; beside UNSPACED letters as well.
  bold: {
    pattern: new RegExp(
      String.raw`(?<=${BEFORE}|${UNSPACED})\*\*(?<bold>${emphasized("*")})` +
        String.raw`\*\*(?=${AFTER}|${UNSPACED})(?!\*)`,
      "u",
    ),
    token: ({ bold }, _, reader) => emphasis("strong", "**", bold, reader),
  },

  // *Italic* in one line.
  italic: {
    pattern: new RegExp(
      String.raw`(?<=${BEFORE})\*(?<italic>${emphasized("*")})\*(?=${AFTER})(?!\*)`,
      "u",
    ),
    token: ({ italic }, _, reader) => emphasis("em", "*", italic, reader),
  },

  // _Slanted_ is the same.
  slanted: {
    pattern: new RegExp(
      String.raw`(?<=${BEFORE})_(?<slanted>${emphasized("_")})_(?=${AFTER})(?!_)`,
      "u",
    ),
    token: ({ slanted }, _, reader) => emphasis("em", "_", slanted, reader),
  },

  // \*Literal\* signs of what would be emphasis, code or a quote without the backslash. Any other
  // backslash is one, as in C:\_new\*.
  literal: {
    pattern: new RegExp(
      String.raw`(?<literal>(?<![^\n])\\(?=> )|(?<=${BEFORE})\\(?:${LITERAL})(?=${AFTER}))`,
      "u",
    ),
    token({ literal }, _, reader) {
      const [opening] = /^[\\*_`]+/.exec(literal)
      const [closing = ""] = /(?<![\\*_`])[\\*_`]+$/.exec(literal.slice(opening.length)) ?? []
      const text = literal.slice(opening.length, literal.length - closing.length)
      const middle = () => withTokens(text, spans(text, 0, text.length, reader))
      const node = () => fragment(...signs(opening), middle(), ...signs(closing))
      return { node, isMention: mentions(text, reader) }
    },
  },

  // https://example.com or www.example.com, up to the next space or full-width punctuation, but
  // without what ends the sentence.
  url: {
    pattern: new RegExp(
      String.raw`(?<=^|[^\p{L}\p{N}]|${UNSPACED})` +
        String.raw`(?<url>(?:[Hh][Tt][Tt][Pp][Ss]?:\/\/|${BEFORE_LINK}[Ww]{3}\.(?=[\p{L}\p{N}-]+\.[\p{L}\p{N}]))` +
        String.raw`(?:[!#-;=?-_a-~]|[^\s\x00-\x7f\p{Ps}\p{Pe}\p{Pi}»”${WIDE}${INVISIBLE}])+)`,
      "u",
    ),
    token({ url }) {
      const [known = url] = KNOWN_HOST.exec(url) ?? []
      const address = known.slice(0, linkLength(known))
      const href = /^www/i.test(address) ? `https://${address}` : address
      return URL.canParse(href) && { node: () => link(address, href), length: address.length }
    },
  },

  // bob@example.com, but neither git@example.com:repository nor ssh://git@example.com.
  mail: {
    pattern: new RegExp(
      String.raw`${BEFORE_LINK}(?<mail>\w[\w.+-]*@(?:[A-Za-z\d][A-Za-z\d-]*\.)+[A-Za-z]{2,63})` +
        String.raw`(?=$|[^\p{L}\p{N}_@-]|${UNSPACED})(?!:\S)`,
      "u",
    ),
    token: ({ mail }) => ({ node: () => link(mail, `mailto:${mail}`) }),
  },

  // @bob, if that is the reader: only then is it shown as a mention.
  name: {
    pattern: new RegExp(String.raw`${BEFORE_NAME}[@＠](?<name>[\p{L}\p{M}\p{N}_.-]+)`, "u"),
    token({ name }, whole, reader) {
      const login = [reader].flat().map((each) => loginIn(name, each)).find(Boolean)
      const node = () => element("mark", "mention", whole[0], login)
      return login && { node, length: login.length + 1, isMention: true }
    },
  },
}
const BLOCK = anyOf(BLOCKS)
const SPAN = anyOf(SPANS)
const CODE = anyOf({ code: SPANS.code })
const SEAM = new RegExp(String.raw`(?<=${UNSPACED})(?=\p{L})|(?=${UNSPACED})(?=\p{L})`, "gu")

const QUOTED_LINE = /((?:> )+|>)((?:\S{1,64}|deleted user) #(\d{1,15})(?=:))?([^\n]*)(?:\n|$)/g
const BRACKETS = { ")": "(", "]": "[", "}": "{" }
const PUNCTUATION = /[.,;:!?'*_~([{]|[^\x00-\x7f\P{P}]/u // such as … ’ ، । beyond ASCII

// Return a text as nodes that have exactly its characters. `reader` is a login, or several names
// that mean the reader.
export function richText(text, reader) {
  return withTokens(text, tokens(text, reader))
}

// Return true if a text mentions a person, as in @bob.
export function mentions(text, login) {
  return /[@＠]/.test(text) && [...tokens(text, login)].some(({ isMention }) => isMention)
}

// Return an element whose text is hidden, from screen readers too, but copied together with the text
// around it.
export function copyOnly(text) {
  const node = element("span", "copy-only", text)
  node.ariaHidden = "true"
  return node
}

// Return what a text quotes.
export function quotesIn(text) {
  return [...text.matchAll(BLOCK)].flatMap(({ groups }) => groups.quote ?? [])
}

// Return a text with a space in the place of each piece of code and each quote.
export function withoutLiterals(text) {
  return text.replace(BLOCK, " ").replace(CODE, " ")
}

// Return a text without the lines that it quotes.
export function withoutQuotes(text) {
  return text.replace(BLOCK, (whole, ...groups) => (groups.at(-1).quote ? "" : whole))
}

function withTokens(text, found) {
  const nodes = document.createDocumentFragment()
  let end = 0
  for (const { node, index, length } of found) {
    nodes.append(text.slice(end, index), node())
    end = index + length
  }
  nodes.append(text.slice(end))
  return nodes
}

function anyOf(rules) {
  return new RegExp(Object.values(rules).map(({ pattern }) => pattern.source).join("|"), "gu")
}

// The tokens of a text: its blocks, and the spans between them.
function* tokens(text, reader) {
  let end = 0
  for (const block of matches(text, BLOCK, BLOCKS, reader)) {
    yield* spans(text, end, block.index, reader)
    yield block
    end = block.index + block.length
  }
  yield* spans(text, end, text.length, reader)
}

function* spans(text, start, end, reader) {
  for (const span of matches(text.slice(start, end), SPAN, SPANS, reader)) {
    yield { ...span, index: start + span.index }
  }
}

function* matches(text, pattern, rules, reader) {
  for (const { 0: whole, index, groups } of text.matchAll(pattern)) {
    const rule = Object.keys(rules).find((name) => groups[name])
    const token = rules[rule].token(groups, whole, reader)
    if (token) yield { index, length: whole.length, ...token }
  }
}

function emphasis(name, sign, text, reader) {
  const node = () => element(name, "", copyOnly(sign), richText(text, reader), copyOnly(sign))
  return { node, isMention: mentions(text, reader) }
}

// Quoted lines; the first may name the message that it quotes, as in "> bob #12: hi".
function quoted(whole, reader) {
  const node = element("span", "quote")
  node.role = "blockquote"
  for (const [line, mark, source = "", seq, rest] of whole.matchAll(QUOTED_LINE)) {
    const reference = source && element("a", "", source)
    if (source) reference.href = addressOf(seq)
    node.append(copyOnly(mark), reference, rest && richText(rest, reader))
    if (line.endsWith("\n")) node.append("\n")
  }
  return node
}

function codeBlock(whole, language, block) {
  const [opening] = /^\n?/.exec(block)
  const code = block.slice(opening.length).replace(/\n$/, "")
  const start = 3 + language.length + opening.length
  const node = element(
    "code",
    "code code--block",
    copyOnly("```"),
    ...(language ? [element("span", "code__language", language)] : []),
    ...(opening ? [copyOnly(opening)] : []),
    code,
    copyOnly(whole.slice(start + code.length)),
  )
  node.tabIndex = 0 // for keys to scroll it
  return node
}

function link(address, href) {
  const node = element("a", "", address)
  node.href = href
  node.target = "_blank"
  node.rel = "noopener nofollow"
  return node
}

// Return how many characters of a URL belong to the link: not a full stop that ends the sentence,
// nor a closing bracket whose opening one is before the link.
function linkLength(url) {
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
  return length
}

// Return the beginning of a name that is a login, or nothing. A login may end in a full stop or a
// hyphen; else that ends the sentence. Letters of scripts without spaces may follow a login, or
// others the login in such a script.
function loginIn(name, login) {
  const seams = name.slice(0, 4 * login.length).matchAll(SEAM) // normalized, it may be shorter
  const ends = [name.search(/(?<![.-])[.-]+$/), ...Array.from(seams, ({ index }) => index)]
  const beginnings = ends.filter((end) => end > 0).map((end) => name.slice(0, end))
  return [name, ...beginnings].find((each) => isSame(each, login))
}

function isSame(name, login) {
  return name.normalize("NFKC").toLowerCase() === login.normalize("NFKC").toLowerCase()
}

// Signs, of which a backslash is hidden.
function signs(text) {
  return Array.from(text, (sign) => (sign === "\\" ? copyOnly(sign) : sign))
}

function fragment(...content) {
  const node = document.createDocumentFragment()
  node.append(...content)
  return node
}

function element(name, className, ...content) {
  const node = document.createElement(name)
  if (className) node.className = className
  node.append(...content)
  return node
}
