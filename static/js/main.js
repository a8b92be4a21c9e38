// The chat page: connects the log, the socket, the outbox and the composer.

import { Composer } from "./composer.js"
import { Connection } from "./connection.js"
import { Log } from "./log.js"
import { Notifier } from "./notifier.js"
import { Outbox } from "./outbox.js"
import { Pending } from "./pending.js"
import { People } from "./people.js"
import { ReadMark } from "./readmark.js"
import { Unread } from "./unread.js"

const log = new Log(document.getElementById("subscribe"))
const people = new People(document.getElementById("people"))
const composer = new Composer(document.getElementById("composer"))
const connection = new Connection({ since: () => log.last, receive, ended })
const list = new Pending(document.getElementById("pending"))
const unread = new Unread(log, document.getElementById("unread"))
const readMark = new ReadMark((frame) => connection.send(frame), log.last)
const notifier = new Notifier(log.user, document.getElementById("notify"))
const outbox = new Outbox({ user: log.user, list, send: (frame) => connection.send(frame) })

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
    if (!log.show(frame)) return
    unread.add(frame)
    notifier.tell(frame)
  },
  change(frame) {
    log.change(frame)
  },
  joined(frame) {
    people.joined()
    log.notice(`${frame.user} joined`)
  },
  left(frame) {
    people.left()
    log.notice(`${frame.user} disconnected`)
  },
  people(frame) {
    people.reset(frame)
  },
  error(frame) {
    if (frame.code === "too_fast" || frame.code === "unavailable") {
      outbox.retry(frame)
    } else if (outbox.refuse(frame)) {
      return // its line says why
    }
    composer.complain(frame.text)
  },
}

composer.onsend = (text) => {
  outbox.add(text)
  log.place.toEnd()
}

unread.onseen = () => readMark.move(log.last)

list.onleave = () => composer.focus()

// A type that a later server may send is none of this page's business.
async function receive(frame) {
  if (Object.hasOwn(handlers, frame.type)) await handlers[frame.type](frame)
}

function ended(clean) {
  outbox.pause()
  log.notice(clean ? "Clean connection end" : "Connection broken")
}

connection.open()
