// The chat page: makes its parts and joins them. A message goes this way from the key press to
// every screen:
//
// 1. The composer takes the text, and gives it to the outbox.
// 2. The outbox keeps it in localStorage (pending_store.js), and gives it to the connection, until
//    the server has stored it.
// 3. The connection sends it to the server, and gets it back, like every other page in the room.
// 4. handlers.message, below, takes it out of the outbox and shows it in the log.

import "./page.js"
import { Composer } from "./writing/composer.js"
import { Outbox } from "./sending/outbox.js"
import { PendingList } from "./sending/pending_list.js"
import { Connection } from "./connection/connection.js"
import { Polling } from "./connection/polling.js"
import { Log } from "./log/log.js"

// The rest of the page
import { askBeforeLoss } from "./browser/storage.js"
import { arrive, forgetAtSignOut } from "./forms/sign_out.js"
import { Actions } from "./log/actions.js"
import { copyWhatWasSaid } from "./log/copying.js"
import { offerDays } from "./log/jump.js"
import { Places } from "./log/places.js"
import { quote } from "./log/quote.js"
import { ReadMark } from "./log/read_mark.js"
import { Unread } from "./log/unread.js"
import { listenToKeys } from "./room/keyboard.js"
import { Notifier } from "./room/notifier.js"
import { People } from "./room/people.js"
import { Status } from "./room/status.js"
import { chooseTheme } from "./room/theme.js"
import { Typing } from "./room/typing.js"
import { FileLoader } from "./sending/file_loader.js"
import { Accounts } from "./writing/accounts.js"
import { autosize } from "./writing/autosize.js"
import { countCharacters } from "./writing/counter.js"
import { Draft } from "./writing/draft.js"
import { Editing } from "./writing/editing.js"
import { Mentions } from "./writing/mentions.js"
import { tab } from "./writing/tab.js"

const byId = (id) => document.getElementById(id)
const form = byId("composer")
const field = byId("message")

// The parts that a message goes through, the last one first.
const log = new Log(byId("subscribe")) // the tutorial's id
const { user } = log
arrive(user)
const since = () => log.last
const polling = new Polling(form, { user, onpage, onanswer })
const callbacks = { onframe, ondisconnect, onunreachable, onblocked }
const connection = new Connection({ since, polling, ...callbacks })
const pendingList = new PendingList(byId("pending"))
const frameSize = Number(form.dataset.frameSize)
const status = new Status(byId("room-status"))
const onwaiting = (count) => (status.waiting = count)
const outbox = new Outbox({ user, frameSize, list: pendingList, connection, onwaiting })
const composer = new Composer(form, { outbox, log })

const tell = (text) => composer.showError(text)
const files = new FileLoader(form, { composer, list: pendingList, log, outbox })
composer.files = files
forgetAtSignOut(byId("signout").form, { user, unsent: () => outbox.length + files.length })
const draft = new Draft(field, { composer, user, tab })
const editing = new Editing(form, { composer, draft, log, connection, tab })
const showTyping = (text) => (status.typing = text)
const typing = new Typing(field, { user, onchange: showTyping, connection })
const people = new People(byId("here"), { user, count: byId("people-count") })
const places = new Places(log, byId("back"))
const readMark = new ReadMark(connection, log.read)
const unreadButtons = {
  button: byId("unread"),
  mentioned: byId("mentioned"),
  firstUnread: byId("first-unread"),
}
const unread = new Unread(log, unreadButtons, () => readMark.move(log.last))
const isRead = (seq) => seq <= readMark.read
const notifier = new Notifier(user, { notify: byId("notify"), sound: byId("sound") }, isRead)
const actions = new Actions(log, byId("actions-template").content.firstElementChild)
const names = () => [...people.names, ...log.authors]
const [list, nobody] = [byId("mentions"), byId("nobody")]
new Mentions(field, { list, nobody, user, names, accounts: new Accounts() })
countCharacters(field, byId("counter"), composer)
autosize(field)
listenToKeys(field, log.element)
chooseTheme(byId("themes"))
copyWhatWasSaid(log.element)
offerDays(log.element, byId("jump"), { go: (seq) => places.follow(seq), tell })
askBeforeLoss(() => files.length > 0)

// What the page does with each type of frame.
const handlers = {
  async hello(frame) {
    // Another user has signed in, in another tab. Reload, so as not to send what this one wrote.
    if (frame.user !== user) return location.assign("/")
    people.reset(frame)
    readMark.resume()
    if (frame.truncated) {
      await log.reload()
      unread.reset()
      log.deleted.forEach(forget)
      // Another server process, which lags behind, may have sent the page: then connect again.
      if (log.last < frame.seq) throw new Error("the history is not up to date")
    }
    status.connected()
    outbox.resume()
    files.resume()
    performance.mark("connected")
  },
  message(frame) {
    if (outbox.acknowledge(frame)) composer.showError("")
    typing.stopped(frame.user)
    if (!log.show(frame)) return
    unread.add(frame)
    notifier.notify(frame)
  },
  change(frame) {
    const before = log.change(frame)
    if (frame.state === "deleted") forget(frame.of)
    unread.change(frame)
    notifier.notify(frame, before)
    editing.acknowledge(frame)
  },
  typing(frame) {
    typing.started(frame)
  },
  joined(frame) {
    people.joined(frame.user)
    status.notice(`${frame.user} joined`)
  },
  left(frame) {
    people.left(frame.user)
    typing.stopped(frame.user)
    status.notice(`${frame.user} disconnected`)
  },
  read({ seq }) {
    if (readMark.learn(seq)) unread.markRead(seq)
  },
  people(frame) {
    people.reset(frame)
  },
  error(frame) {
    if (editing.refuse(frame)) return
    if (frame.code === "too_fast" || frame.code === "unavailable") {
      outbox.retry(frame)
    } else if (outbox.refuse(frame)) {
      return // the pending list shows the error
    }
    composer.showError(frame.text)
  },
}

// A newer server may send types that this page does not know.
async function onframe(frame) {
  if (Object.hasOwn(handlers, frame.type)) await handlers[frame.type](frame)
}

function ondisconnect(clean) {
  outbox.pause()
  status.disconnected(clean) // a server that ends cleanly is about to be started anew
  performance.mark("disconnected")
  if (!clean) performance.mark("cut off")
}

function onunreachable() {
  outbox.pause()
  status.disconnected(true)
}

function onblocked() {
  status.blocked()
  outbox.resume()
  files.resume()
}

// What the page does with a new copy of itself, when frames don't come.
function onpage(page) {
  if (page.dataset.user !== user) return location.assign("/") // as in hello()
  handlers.read({ seq: Number(page.dataset.read) })
  const { added, changed } = log.update(page)
  for (const entry of added) {
    unread.add(entry)
    notifier.notify(entry)
  }
  for (const { entry, before } of changed) {
    if (entry.state === "deleted") forget(entry.seq)
    unread.change({ ...entry, of: entry.seq })
    notifier.notify({ ...entry, of: entry.seq, seq: log.last }, before)
  }
}

// A message was deleted, so a reply must not say again what it said.
function forget(seq) {
  draft.forget(seq)
  if (!editing.isActive) composer.draft = draft.text
}

function onanswer(answer) {
  if (answer.code) handlers.error(answer)
  else if (outbox.acknowledge({ user, ...answer })) composer.showError("")
}

pendingList.onfocuslost = () => composer.focus()
actions.onreply = (message) => {
  const text = quote(message, Number(field.dataset.maxLength))
  if (!editing.makeRoomFor(text)) return
  composer.reply(text)
}
actions.onedit = (seq) => editing.start(log.ownChangeable(seq))
actions.ondelete = (seq) => editing.startDeleting(log.ownChangeable(seq))
places.onerror = unread.onerror = tell
for (const seq of log.deleted) draft.forget(seq) // while this page was closed
composer.open(draft.text)
// The browser may have given the focus to what is new, where the page opens without scripts.
if (field.autofocus && document.activeElement.matches("body, .log__new")) composer.focus()
editing.resume()
connection.open()
