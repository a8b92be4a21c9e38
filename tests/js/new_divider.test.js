import assert from "node:assert/strict"
import { test } from "node:test"

import { NewDivider } from "../../static/js/log/new_divider.js"

const LINE = { removeAttribute() {}, remove() {} }

function divider(told) {
  return new NewDivider({ user: "alice", read: "100", last: "1000", ...told }, { ...LINE })
}

// Return messages with these numbers, of bob if not of alice.
function messages(seqs, { user = "bob", deleted = [] } = {}) {
  return seqs.map((seq) => ({
    dataset: { seq: String(seq), user },
    classList: { contains: () => deleted.includes(seq) },
  }))
}

test("a page that has all that is new counts it", () => {
  const line = divider({ unread: "7", firstUnread: "101" })
  const all = [...messages([99, 101, 102, 103], { deleted: [102] }), ...messages([104], { user: "alice" })]
  assert.deepEqual(line.newsOf(all, true), { count: 2, more: "" })
})

test("else it believes the server, and tells where that does not know all", () => {
  const part = messages([99, 101, 102])
  assert.deepEqual(divider({ unread: "480", firstUnread: "101" }).newsOf(part, false), { count: 480, more: "" })
  assert.deepEqual(divider({ unread: "500+", firstUnread: "101" }).newsOf(part, false), { count: 500, more: "+" })
  assert.deepEqual(divider({ unread: "1+", firstUnread: "101" }).newsOf(part, false), { count: 2, more: "+" })
  // At the end of the log the first ones are missing.
  const end = messages([998, 999])
  assert.deepEqual(divider({ unread: "480", firstUnread: "101" }).newsOf(end, true), { count: 480, more: "" })
})

test("the count is never more than there can be after some were read elsewhere, or deleted", () => {
  const part = messages([99])
  const line = divider({ unread: "480", firstUnread: "101" })
  for (const seq of [100, 101, 900, 1001]) line.forget(seq) // two of them are unread
  assert.deepEqual(line.newsOf(part, false), { count: 478, more: "" })
  line.move(200)
  assert.deepEqual(line.newsOf(part, false), { count: 378, more: "+" })
  line.move(150) // not back
  assert.equal(line.start, 201)
  line.move(900)
  assert.deepEqual(line.newsOf(part, false), { count: 0, more: "+" })
  line.move(1000)
  assert.deepEqual(line.newsOf(part, false), { count: 0, more: "" })
})

test("nothing is new to a reader who was never here", () => {
  const line = divider({ read: "0", unread: "0" })
  assert.deepEqual(line.newsOf(messages([1, 2, 3]), true), { count: 0, more: "" })
  line.move(2)
  assert.deepEqual(line.newsOf(messages([1, 2, 3]), true), { count: 0, more: "" })
})
