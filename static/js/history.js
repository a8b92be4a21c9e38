// A page of the history: as the chat page shows it.

import { dressAll } from "./message.js"

dressAll(document.getElementById("subscribe"))
