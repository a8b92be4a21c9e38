// The chat page: connects the log, the socket, the outbox and the composer.

import { ChangeLinks } from "./change_links.js"
import { Composer } from "./composer.js"
import { Connection } from "./connection.js"
import { Counter } from "./counter.js"
import { Draft } from "./draft.js"
import { Editing } from "./editing.js"
import { grow } from "./grow.js"
import { Log } from "./log.js"
import { Mentions } from "./mentions.js"
import { Notifier } from "./notifier.js"
import { Outbox } from "./outbox.js"
import { PendingList } from "./pending_list.js"
import { People } from "./people.js"
import { ReadMark } from "./readmark.js"
import { Typing } from "./typing.js"
import { Unread } from "./unread.js"

const byId = (id) => document.getElementById(id)
const field = byId("message")
const log = new Log(byId("subscribe"))
const { user } = log
const connection = new Connection({ since: () => log.last, receive, ended })
const send = (frame) => connection.send(frame)

const people = new People(byId("here"), { user, count: byId("people-count") })
const isChangeable = (seq) => log.isModerator || log.ownChangeable(seq) !== null
const changeLinks = new ChangeLinks(byId("subscribe"), isChangeable)
const pendingList = new PendingList(byId("pending"))
const frameSize = Number(byId("composer").dataset.frameSize)
const outbox = new Outbox({ user, frameSize, list: pendingList, send })
const unread = new Unread(log, byId("unread"))
const readMark = new ReadMark(send, log.last)
const notifier = new Notifier(user, byId("notify"))

const composer = new Composer(byId("composer"))
const draft = new Draft(field, { user, signOut: byId("signout").form })
const editing = new Editing(byId("composer"), { composer, draft, log, send })
const typing = new Typing(field, { user, element: byId("typing"), send })
const names = () => [...people.names, ...log.authors].filter((name) => name !== user)
new Mentions(field, { list: byId("mentions"), names })
new Counter(field, byId("counter"))
grow(field)
composer.text = draft.text

const handlers = {
  async hello(frame) {
    // Somebody else has signed in, in another tab: what waits here is not theirs to send.
    if (frame.user !== log.user) return location.assign("/")
    people.reset(frame)
    if (frame.truncated) {
      await log.reload()
      unread.reset()
      // Another process may have answered, one that lags: then resume once more, from there.
      if (log.last < frame.seq) throw new Error("the history is not up to date")
    }
    log.notice("Connection to server started")
    outbox.resume()
  },
  message(frame) {
    if (outbox.acknowledge(frame)) composer.complain("")
    typing.ended(frame.user)
    if (!log.show(frame)) return
    unread.add(frame)
    notifier.tell(frame)
  },
  change(frame) {
    log.change(frame)
    editing.acknowledge(frame)
  },
  typing(frame) {
    typing.heard(frame)
  },
  joined(frame) {
    people.joined(frame.user)
    log.notice(`${frame.user} joined`)
  },
  left(frame) {
    people.left(frame.user)
    typing.ended(frame.user)
    log.notice(`${frame.user} disconnected`)
  },
  people(frame) {
    people.reset(frame)
  },
  error(frame) {
    if (editing.refuse(frame)) return
    if (frame.code === "too_fast" || frame.code === "unavailable") {
      outbox.retry(frame)
    } else if (outbox.refuse(frame)) {
      return // its line says why
    }
    composer.complain(frame.text)
  },
}

composer.onsend = (text) => {
  if (editing.isOn) return editing.save(text)
  composer.text = ""
  outbox.add(text)
  log.scroll.goToEnd()
}

unread.onseen = () => readMark.move(log.last)
changeLinks.onedit = (seq) => editing.start(log.ownChangeable(seq))

pendingList.onfocuslost = () => composer.focus()

// A type that a later server may send is none of this page's business.
async function receive(frame) {
  if (Object.hasOwn(handlers, frame.type)) await handlers[frame.type](frame)
}

function ended(clean) {
  outbox.pause()
  log.notice(clean ? "Clean connection end" : "Connection broken")
}

connection.open()
