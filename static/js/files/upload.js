// One file on its way to the server, as an item of the list of pending messages. If the tab ends
// before the server has it, the text is a draft that the next tab finds (draft.js).

import { element } from "../browser/element.js"
import { remember } from "../browser/storage.js"
import { richText } from "../log/rich_text.js"
import { newNonce } from "../sending/nonce.js"

const STALLED_AFTER = 60_000 // ms; the server needs less to take a picture in
const MOST_BREAKS = 10 // in a row in which a part went out: then it is not the network
const AWAY = new Set([0, 408, 500, 502, 503, 504]) // statuses of answers that may pass

export class Upload {
  ondiscard = () => {}
  onretry = () => {}
  onend = () => {} // called with { stored: what the server says of the file }, { isAway }, or {}
  element
  problem = "" // why it is not sent
  #file
  #user
  #msg
  #draft // the key of the text
  #request = null
  #stalledTimer = null
  #breaks = 0
  #progress

  constructor(file, { user, msg }) {
    this.#file = file
    this.#user = user
    this.#draft = `draft:${user}:${Date.now()}-${newNonce()}`
    const template = document.getElementById("pending-template")
    this.element = template.content.firstElementChild.cloneNode(true)
    this.element.classList.add("pending--upload")
    this.#progress = element("progress", { max: 1, ariaLabel: `Sending ${file.name}` })
    this.#find(".pending__state").before(this.#progress)
    this.#find("[name=retry]").addEventListener("click", () => this.#retry())
    this.#find("[name=discard]").addEventListener("click", () => this.#discard())
    this.msg = msg
    this.#show("waiting")
  }

  // The text of its message.
  get msg() {
    return this.#msg
  }

  set msg(msg) {
    this.#msg = msg
    remember(this.#draft, msg)
    const name = element("bdi", { className: "pending__file" }, this.#file.name)
    this.#find(".pending__text").replaceChildren(richText(msg, []), msg ? "\n" : "", name)
  }

  get isUnderWay() {
    return this.#request !== null
  }

  async start() {
    const request = (this.#request = new XMLHttpRequest()) // fetch() tells of no progress
    this.#show("sending…")
    if (!(await isReadable(this.#file))) return this.#fail("the file can't be read any more")
    if (request !== this.#request) return // discarded meanwhile
    let sent = 0
    const query = new URLSearchParams({ name: this.#file.name, user: this.#user })
    request.open("POST", `/file?${query}`)
    request.responseType = "json"
    request.setRequestHeader("Accept", "application/json")
    request.setRequestHeader("Content-Type", "application/octet-stream")
    request.upload.onprogress = ({ loaded, total }) => {
      sent = loaded
      this.#progress.value = loaded / total
      this.#watch()
    }
    request.onloadend = () => this.#answered(request, sent)
    request.send(this.#file)
    this.#watch()
  }

  // After sleep, or in a dead spot, a connection may be dead and say nothing.
  #watch() {
    clearTimeout(this.#stalledTimer)
    this.#stalledTimer = setTimeout(() => this.#request?.abort(), STALLED_AFTER)
  }

  #answered(request, sent) {
    if (request !== this.#request) return
    clearTimeout(this.#stalledTimer)
    const { status, response } = request
    if (status === 201 && response?.id) return this.#end({ stored: response })
    if (response?.error && !AWAY.has(status)) return this.#fail(response.error)
    this.#breaks = sent ? this.#breaks + 1 : 0
    if (this.#breaks >= MOST_BREAKS) return this.#fail("the server does not take it")
    this.#show("waiting")
    this.#end({ isAway: true })
  }

  #fail(problem) {
    this.problem = problem
    this.#show(`not sent: ${problem}`)
    this.#end({})
  }

  #end(outcome) {
    this.#request = null
    this.onend(outcome)
  }

  #retry() {
    this.problem = ""
    this.#breaks = 0
    this.#show("waiting")
    this.onretry()
  }

  #discard() {
    const request = this.#request
    this.#request = null
    clearTimeout(this.#stalledTimer)
    request?.abort()
    this.ondiscard()
  }

  #show(state) {
    this.#progress.value = 0
    this.#progress.hidden = this.problem !== ""
    this.#find(".pending__state").textContent = state
    this.#find("[name=retry]").hidden = !this.problem
    this.#find("[name=discard]").textContent = this.problem ? "Discard" : "Cancel"
    this.element.classList.toggle("pending--failed", this.problem !== "")
  }

  #find(selector) {
    return this.element.querySelector(selector)
  }
}

// A browser does not say whether it was the file or the network that failed.
async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer()
    return true
  } catch {
    return false
  }
}
