import assert from "node:assert/strict"
import { test } from "node:test"

import { Accounts } from "../../static/js/writing/accounts.js"

// Return accounts, and what they have asked of a server that sends at most two names.
function served(...logins) {
  const asked = []
  const accounts = new Accounts(async (beginning) => {
    asked.push(beginning)
    const found = logins.filter((login) => login.toLowerCase().startsWith(beginning.toLowerCase()))
    return { names: found.slice(0, 2), more: found.length > 2 }
  })
  return { accounts, asked }
}

test("a beginning is asked for once, and none of which all names are known", async () => {
  const { accounts, asked } = served("bob", "Bobby", "bobo", "carol")
  for (const beginning of ["b", "B", "bobb", "bobby", "bobbyx", "c", "carol", "b"])
    await accounts.learn(beginning)
  assert.deepEqual(asked, ["b", "bobb", "c"])
  assert.deepEqual(new Set(accounts.names), new Set(["bob", "Bobby", "carol"]))
})

test("a small room is asked once", async () => {
  const { accounts, asked } = served("bob", "carol")
  for (const beginning of ["", "b", "x", "Ünal"]) await accounts.learn(beginning)
  assert.deepEqual(asked, [""])
})

test("of what is typed while the server answers only the last is asked for", async () => {
  const { accounts, asked } = served("bob", "Bobby", "bobo", "bobu")
  let answers = 0
  accounts.onanswer = () => answers++
  await Promise.all(["b", "bo", "bob", "bobu"].map((beginning) => accounts.learn(beginning)))
  assert.deepEqual([asked, answers], [["b", "bobu"], 2])
})

test("a name is nobody's only if the server would have named it", async () => {
  const { accounts } = served("bob", "Bobby", "bobo", "bobu")
  assert.ok(!accounts.isNobody("zoe"))
  await accounts.learn("b")
  await accounts.learn("bobu")
  for (const name of ["bob", "BOBBY", "bobu", "bobo", "zoe", "Ｂob"])
    assert.ok(!accounts.isNobody(name), name)
  await accounts.learn("zoe")
  for (const name of ["zoe", "zoey", "bobux", "b"]) assert.ok(accounts.isNobody(name), name)
})

test("a name is unknown until an answer has it, covers it, or says that the server is away", async () => {
  const { accounts } = served("bob", "Bobby", "bobo", "bobu")
  await accounts.learn("b")
  assert.deepEqual(["bob", "BOBBY", "bobu", "zoe"].map((name) => accounts.isUnknown(name)), [false, false, true, true])
  await accounts.learn("zoe")
  for (const name of ["zoe", "ZOE", "zoey"]) assert.ok(!accounts.isUnknown(name), name)
})

test("a server that is away names nobody, and is not asked again at each key", async () => {
  let count = 0
  const accounts = new Accounts(() => {
    count++
    throw new TypeError("Failed to fetch")
  })
  for (let i = 0; i < 3; i++) await accounts.learn("zoe")
  assert.deepEqual([count, accounts.names, accounts.isNobody("zoe")], [1, [], false])
  assert.ok(!accounts.isUnknown("zoe"))
})

test("who has registered since is found after a minute", async (t) => {
  t.mock.timers.enable({ apis: ["Date"] })
  const logins = ["bob"]
  const accounts = new Accounts(async () => ({ names: [...logins], more: false }))
  await accounts.learn("")
  logins.push("zoe")
  assert.ok(accounts.isNobody("zoe"))
  t.mock.timers.tick(60_001)
  assert.ok(!accounts.isNobody("zoe"))
  await accounts.learn("")
  assert.deepEqual(accounts.names, ["bob", "zoe"])
})
