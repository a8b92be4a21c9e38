// Rich text: shows quotes, links, code, bold, italics and mentions of the reader in the text of a
// message. The signs around them stay in the page but are hidden, so that a copy of the text has all
// its characters.

import { addressOf } from "./addresses.js"

// Letters of scripts without spaces, beside which a word may be bold.
const UNSPACED = String.raw`[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Hang}\p{scx=Thai}]`
const BEFORE_BOLD = String.raw`(?<=^|[^\p{L}\p{N}*]|${UNSPACED})`
const AFTER_BOLD = String.raw`(?=$|[^\p{L}\p{N}*]|${UNSPACED})`

// A rule for each token: its pattern, with a group of the rule's name, and the token that a match
// makes: { node, a function that creates its element; length, if that is not the whole match;
// isMention, true if it mentions the reader }, or nothing. Where several rules match at one place,
// the first of them counts.
//
// Matching takes linear time, however hostile the text: after an attempt that fails, the next one
// does not scan the same characters again.
const RULES = {
  // ```A block of code```; a word that is alone in its first line names the language.
  block: {
    pattern: /(?<!`)```(?!`)(?<language>[a-z][\w+#-]*(?=\n))?(?<block>[^]+?)(?<!`)```(?!`)\n?/u,
    token: ({ block, language = "" }, whole) => ({
      node: () => codeBlock(whole, language, block),
    }),
  },

  // `Code` in one line, between single backquotes.
  code: {
    pattern: /(?<!`)`(?<code>[^`\n]+)`(?!`)/u,
    token: ({ code }) => ({
      node: () => element("code", "code", copyOnly("`"), code, copyOnly("`")),
    }),
  },

  // > Quoted: all lines in a row that begin with this sign (as QUOTE in chat/render.py).
  quote: {
    pattern: /(?<![^\n])(?<quote>>[^\n]*(?:\n>[^\n]*)*)\n?/u,
    token: (_, whole, reader) => ({ node: () => quoted(whole, reader) }),
  },

  // **Bold** in one line, but not 2**3**4: no letter or digit is beside it, except an UNSPACED one.
  bold: {
    pattern: new RegExp(
      String.raw`${BEFORE_BOLD}\*\*(?<bold>[^\s*](?:[^*\n]*[^\s*])?)\*\*${AFTER_BOLD}`,
      "u",
    ),
    token: ({ bold }, _, reader) => emphasis("strong", "**", bold, reader),
  },

  // *Italic* in one line, but not 2*3*4.
  italic: {
    pattern: /(?<![\p{L}\p{N}*])\*(?<italic>[^\s*](?:[^*\n]*[^\s*])?)\*(?![\p{L}\p{N}*])/u,
    token: ({ italic }, _, reader) => emphasis("em", "*", italic, reader),
  },

  // _Slanted_ is the same, but not a_b_c.
  slanted: {
    pattern: /(?<![\p{L}\p{N}_])_(?<slanted>[^\s_](?:[^_\n]*[^\s_])?)_(?![\p{L}\p{N}_])/u,
    token: ({ slanted }, _, reader) => emphasis("em", "_", slanted, reader),
  },

  // https://example.com, up to the next space, but without what ends the sentence.
  url: {
    pattern: /(?<![\p{L}\p{N}])(?<url>https?:\/\/[^\s<>"`]+)/u,
    token({ url }) {
      const address = url.slice(0, linkLength(url))
      return URL.canParse(address) && { node: () => link(address), length: address.length }
    },
  },

  // @bob, if that is the reader: only then is it shown as a mention. A login may end in a full stop
  // or a hyphen; else that ends the sentence.
  name: {
    pattern: /(?<![\p{L}\p{M}\p{N}_.@-])@(?<name>[\p{L}\p{M}\p{N}_.-]+)/u,
    token({ name }, _, reader) {
      const login = [name, name.replace(/(?<![.-])[.-]+$/, "")].find((each) => isSame(each, reader))
      const node = () => element("mark", "mention", `@${login}`)
      return login && { node, length: login.length + 1, isMention: true }
    },
  },
}
const PATTERNS = Object.values(RULES).map(({ pattern }) => pattern.source)
const TOKEN = new RegExp(PATTERNS.join("|"), "giu")

const QUOTED_LINE = /((?:> ?)+)((?:\S{1,64}|deleted user) #(\d{1,15})(?=:))?([^\n]*)(?:\n|$)/g
const BRACKETS = { ")": "(", "]": "[", "}": "{" }
const PUNCTUATION = new Set(".,;:!?'*_~…’”»([{")

// Return a text as nodes that have exactly its characters.
export function richText(text, reader) {
  const nodes = document.createDocumentFragment()
  let end = 0
  for (const { node, index, length } of tokens(text, reader)) {
    nodes.append(text.slice(end, index), node())
    end = index + length
  }
  nodes.append(text.slice(end))
  return nodes
}

// Return true if a text mentions a person, as in @bob.
export function mentions(text, login) {
  return text.includes("@") && [...tokens(text, login)].some(({ isMention }) => isMention)
}

// Return an element whose text is hidden, but copied together with the text around it.
export function copyOnly(text) {
  return element("span", "copy-only", text)
}

function* tokens(text, reader) {
  for (const { 0: whole, index, groups } of text.matchAll(TOKEN)) {
    const rule = Object.keys(RULES).find((name) => groups[name])
    const token = RULES[rule].token(groups, whole, reader)
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
  for (const [line, mark, source = "", seq, rest] of whole.matchAll(QUOTED_LINE)) {
    const reference = source && element("a", "", source)
    if (source) reference.href = addressOf(seq)
    node.append(copyOnly(mark), reference, richText(rest, reader), line.endsWith("\n") ? "\n" : "")
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

function link(address) {
  const node = element("a", "", address)
  node.href = address
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
    else if (PUNCTUATION.has(character)) balance[character] -= character in balance ? 1 : 0
    else break
  }
  return length
}

function isSame(name, login) {
  return name.normalize("NFKC").toLowerCase() === login.normalize("NFKC").toLowerCase()
}

function element(name, className, ...content) {
  const node = document.createElement(name)
  if (className) node.className = className
  node.append(...content)
  return node
}
