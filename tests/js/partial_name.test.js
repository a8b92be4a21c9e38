import assert from "node:assert/strict"
import { test } from "node:test"

import { namesIn, partialName } from "../../static/js/writing/partial_name.js"

test("a name begins after @, at the beginning, after a space, a bracket or punctuation", () => {
  for (const before of ["", "hi ", "hi\n", "(", "[", "hi,", "hi;", '"', "*", "«", "¿", "😀", "@bob/", "ל-", ".", "..."])
    assert.equal(partialName(`${before}@bo`), "bo", before)
  for (const before of ["你好，", "（", "「", "。", "、", "！", "؟", "،", "・"])
    assert.equal(partialName(`${before}@bo`), "bo", before)
})

test("a name begins beside letters of scripts without spaces", () => {
  for (const before of ["你好", "ありがとう", "カレー", "고마워", "ขอบคุณ", "ที่", "ຂອບໃຈ", "អរគុណ", "ကျေး"])
    assert.equal(partialName(`${before}@bo`), "bo", before)
})

test("no name begins in a word, a mail address, an address or code", () => {
  for (const before of ["bob", "Straße", "привет", "שלום", "7", "a_", "bob.", "é", "e\u0301", "@", "`", "\\"])
    assert.equal(partialName(`${before}@bo`), null, before)
  for (const before of ["https://example.com/", "看https://example.com/a,", "(http://x/"])
    assert.equal(partialName(`${before}@bo`), null, before)
  assert.equal(partialName("https://example.com/ @bo"), "bo")
  for (const code of ["`git log @bo", "so `a` `b @bo", "```\n@bo", "```py\nx\n\n  @bo", "```a``` ```@bo"])
    assert.equal(partialName(code), null, code)
  for (const prose of ["`a` @bo", "```a``` @bo", "it`s @bo", "`a\n@bo", "请`a`@bo"])
    assert.equal(partialName(prose), "bo", prose)
})

test("no name begins in a block of code, but behind one", () => {
  for (const text of ["```\n@bo", "```js\nx\n@bo", "so:\n```\na\n```\n```\n@bo", "``` a @bo"])
    assert.equal(partialName(text), null, text)
  for (const text of ["```\nx\n```\n@bo", "``x`` @bo", "\\``` @bo", "`x` and @bo"])
    assert.equal(partialName(text), "bo", text)
})

test("a name ends with its last letter, and has 32 at most", () => {
  for (const text of ["@bo ", "@bo,", "@bo，", "@bo)", "@bo'", "hi", "", `@${"b".repeat(33)}`])
    assert.equal(partialName(text), null, text)
  for (const name of ["", "b", "a.b-c_", "राहुल", "王伟", "b".repeat(32)])
    assert.equal(partialName(`@${name}`), name)
  assert.equal(partialName("\u200f@\u2068bo"), "bo") // as it is copied from other messengers
  assert.equal(partialName("你好，＠王"), "王") // as keyboards for such scripts write it
})

test("the names in a text are found, also before a full stop, but not in addresses and code", () => {
  for (const [text, names] of [
    ["hi @bob. Hi @bob-...", [["bob", "bob."], ["bob", "bob-..."]]],
    ["(@bob): @Zoë's, ＠a.b-c", [["bob"], ["Zoë"], ["a.b-c"]]],
    ["@Борис،@محمد", [["Борис"], ["محمد"]]],
    ["@\u2068bob\u2069, @\u200fZoë", [["bob"], ["Zoë"]]],
    ["```\n@x\n``` `a @x b`\n> bob #1: @x\n@y", [["y"]]],
    ["a@b.example https://x.example/@bob `@x` \\@y @ @.", []],
    ["`git log @x`, ```py\n@property\n``` so, @bob; ```\n@media", [["bob"]]],
    ["你好@王伟你好 @민준아 ที่@สมชาย", []],
  ])
    assert.deepEqual(namesIn(text), names, text)
})

test("the time to find a name grows no faster than the text", () => {
  for (const part of ["@", "http://", "@bo", "你@", " @", "@bo ", "://@", "@.", "-.", "@b你", "`", "`@b\n", "``` "]) {
    const text = part.repeat(100_000)
    const start = process.cpuUsage()
    partialName(text)
    namesIn(text)
    assert.ok(process.cpuUsage(start).user < 2_000_000, part) // microseconds
  }
})
