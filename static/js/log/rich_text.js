// Rich text: shows quotes, links, code, bold, italics and mentions of the reader in the text of a
// message. The signs around them stay in the page but are hidden, so that a copy of the text has all
// its characters. Signs that mark nothing stay visible; a backslash before a sign makes it one.

import { addressOf } from "./addresses.js"
import { colourClass } from "./avatar.js"
import { INVISIBLE, UNSPACED, WIDE } from "./letters.js"
import { MAIL_PATTERN, target, URL_PATTERN, withoutPunctuation } from "./links.js"
import { BEFORE_NAME, LETTER, loginIn } from "./names.js"

// Emphasis opens after a space, an opening bracket or an emoji, before a letter, a digit or a name,
// and closes before a space, punctuation or an emoji. So there is none in 2*3*4, a_b_c, *_*, (*o*),
// count(*) or f(*a, **b), nor in *test*.py, _build_/x and _init_(x), whose words go on.
const EMOJI = String.raw`\p{So}\ufe0f\u20e3\u{1f3fb}-\u{1f3ff}`
const BEFORE = String.raw`^|[\s\p{Ps}\p{Pi}»›¡¿—${EMOJI}${WIDE}${INVISIBLE}]`
const AFTER = String.raw`$|[\s${EMOJI}${INVISIBLE}]|(?![([{/\\*]|[._][\p{L}\p{N}*])\p{P}`
const ALNUM = String.raw`(?![${EMOJI}])[\p{L}\p{M}\p{N}]`
const BEGIN = String.raw`(?:[@\p{Pi}»›¡¿]|(?![([{])\p{Ps})?[\p{L}\p{N}]` // also of “so” and （so）

// Return a pattern of what may be between two signs: others of them only within words; neither the
// face of (*o*) or (*OωO*), nor the end of f(*a, sep='*').
const emphasized = (sign) =>
  String.raw`(?=${BEGIN})(?!(?<=\([${sign}]).(?:[ωдД▽∀□].)?[${sign}]\))` +
  String.raw`(?:[^${sign}\n]|(?<=${ALNUM})[${sign}](?=${ALNUM}))*` +
  String.raw`(?<![\s\p{Ps}${sign}\\])(?!(?<=["'])[${sign}]+["'])`

// The same between signs that a backslash escapes, and what is code without it.
const LITERAL = [String.raw`\*\\?\*`, String.raw`\*`, "_"]
  .map((sign) => String.raw`${sign}${emphasized(sign.at(-1))}\\?${sign}`)
  .concat("`[^`\\n]*[^`\\n\\\\]\\\\?`")
  .join("|")

const QUOTED = String.raw`> [ \t]*[^ \t\n][^\n]*` // one line

// Rules for whole lines: their parts are texts of their own. Where several rules match at one place,
// the first of them counts. The server finds the same quotes (chat/rich_text.py).
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
    pattern: /(?<![`\\])```(?![ \t\n]*`)(?<language>[a-zA-Z][\w+#-]*(?=\n))?(?<block>[^]+?)(?<!`)```(?!`)\n?/u,
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
  // `Code` in one line, between single backquotes, but not from within a word, as in it`s, nor
  // from the cheek of (´∀`) to that of another.
  code: {
    pattern: new RegExp(
      String.raw`(?<![\x60\\])(?<![\p{L}\p{M}\p{N}](?<!${UNSPACED}))\x60(?!\*?\)[^\x60])` +
        String.raw`(?<code>[^\x60\n]+)\x60(?!\x60)`,
      "u",
    ),
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

  // https://example.com or www.example.com
  url: {
    pattern: new RegExp(`(?<url>${URL_PATTERN})`, "u"),
    token({ url }) {
      const address = withoutPunctuation(url)
      const href = target(address)
      return href && { node: () => link(address, href), length: address.length }
    },
  },

  // bob@example.com
  mail: {
    pattern: new RegExp(`(?<mail>${MAIL_PATTERN})`, "u"),
    token: ({ mail }) => ({ node: () => link(mail, `mailto:${mail}`) }),
  },

  // @bob, if that is the reader: only then is it shown as a mention.
  name: {
    pattern: new RegExp(`${BEFORE_NAME}(?<name>${LETTER}+)`, "u"),
    token({ name }, whole, reader) {
      const login = [reader].flat().map((each) => loginIn(name, each)).find(Boolean)
      const sign = whole.slice(0, -name.length)
      const node = () => element("mark", "mention", sign, login)
      return login && { node, length: sign.length + login.length, isMention: true }
    },
  },
}
const BLOCK = anyOf(BLOCKS)
const SPAN = anyOf(SPANS)
const QUOTED_LINE =
  /(?<sign>> ?)(?<inner>(?:> )*)(?:(?<user>\S{1,64}|deleted user) #(?<seq>\d{1,15})(?<colon>: ?)(?! ?> ))?(?<rest>[^\n]*)(?:\n|$)/gu

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

// Quoted lines; one may name the message that it quotes, as in "> bob #12: hi", which is shown as the
// author, with the number, above what was said. Lines of quoted code stay as they are, and so do the
// signs of a quote in the quote. The server writes the same (chat/message.html).
function quoted(whole, reader) {
  const node = element("span", "quote")
  node.role = "blockquote"
  let isCode = false
  for (const { 0: line, groups } of whole.matchAll(QUOTED_LINE)) {
    const { sign, inner, user, seq, colon, rest } = groups
    const isFence = rest.split("```").length % 2 === 0
    node.append(copyOnly(sign), inner)
    if (user && isCode) node.append(`${user} #${seq}${colon}`)
    else if (user) node.append(reference(user, seq, !inner), inner ? colon : copyOnly(colon))
    node.append(isCode || isFence ? rest : richText(rest, reader))
    if (isFence) isCode = !isCode
    if (line.endsWith("\n")) node.append("\n")
  }
  return node
}

// A link to a message that is quoted, whoever has really said it.
function reference(user, seq, isAuthor) {
  const node = element("a", "", user, element("span", "quote__number", ` #${seq}`))
  if (isAuthor) node.className = `quote__author ${colourClass(user)}`
  node.href = addressOf(seq)
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
