// A page of older messages: formats them as the chat page does.

import { formatLog } from "./log/message.js"

formatLog(document.getElementById("subscribe"))
