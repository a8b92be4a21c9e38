// Rich text: links, code and the reader's own name, built of nodes. The marks around code stay in
// the text, unseen, so that what is copied or edited is what was written.

// No part of a text is looked at more than a few times, however hostile: what one attempt has
// passed over in vain, the next one does not pass over again.
const TOKEN = new RegExp(
  [
    "(?<!`)```(?!`)(?<language>[a-z][\\w+#-]*(?=\\n))?(?<block>[^]+?)(?<!`)```(?!`)\\n?",
    "(?<!`)`(?<code>[^`\\n]+)`(?!`)",
    "(?<![\\p{L}\\p{N}])(?<url>https?:\\/\\/[^\\s<>\"`]+)",
    "(?<![\\p{L}\\p{N}_.@-])@(?<name>[\\p{L}\\p{N}_.-]+)",
  ].join("|"),
  "giu",
)
const BRACKETS = { ")": "(", "]": "[", "}": "{" }
const PUNCTUATION = new Set(".,;:!?'*_~…’”»([{")

// Returns the text as nodes; together they have exactly its characters.
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

// Says whether the text names somebody, as in @bob.
export function names(text, login) {
  return text.includes("@") && [...tokens(text, login)].some(({ isName }) => isName)
}

// Characters that belong to the text and are not to be seen.
export function unseen(text) {
  return element("span", "message__mark", text)
}

function* tokens(text, reader) {
  for (const { 0: whole, index, groups } of text.matchAll(TOKEN)) {
    const { block, language = "", code, url, name } = groups
    if (block) {
      yield { node: () => codeBlock(whole, language, block), index, length: whole.length }
    } else if (code) {
      const node = () => element("code", "code", unseen("`"), code, unseen("`"))
      yield { node, index, length: whole.length }
    } else if (url) {
      const address = url.slice(0, linkLength(url))
      if (URL.canParse(address)) yield { node: () => link(address), index, length: address.length }
    } else {
      const called = [name, name.replace(/(?<![.-])[.-]+$/, "")].find((it) => same(it, reader))
      const node = () => element("mark", "mention", `@${called}`)
      if (called) yield { node, index, length: called.length + 1, isName: true }
    }
  }
}

function codeBlock(whole, language, block) {
  const [opening] = /^\n?/.exec(block)
  const code = block.slice(opening.length).replace(/\n$/, "")
  const start = 3 + language.length + opening.length
  return element(
    "code",
    "code code--block",
    unseen("```"),
    ...(language ? [element("span", "code__language", language)] : []),
    ...(opening ? [unseen(opening)] : []),
    code,
    unseen(whole.slice(start + code.length)),
  )
}

function link(address) {
  const node = element("a", "", address)
  node.href = address
  node.target = "_blank"
  node.rel = "noopener nofollow"
  return node
}

// How much of what follows http:// belongs to it: not the full stop of the sentence, nor the
// closing bracket around both.
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

function same(name, login) {
  return name.normalize("NFKC").toLowerCase() === login.normalize("NFKC").toLowerCase()
}

function element(name, className, ...content) {
  const node = document.createElement(name)
  if (className) node.className = className
  node.append(...content)
  return node
}
