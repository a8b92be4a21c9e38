// A page of older messages: formats them as the chat page does.

import "./page.js"
import "./sign_out.js"
import { copyWhatWasSaid } from "./log/copying.js"
import { listenToFolds } from "./log/fold.js"
import { formatLog } from "./log/message.js"

const log = document.getElementById("subscribe")
formatLog(log)
copyWhatWasSaid(log)
listenToFolds(log)
