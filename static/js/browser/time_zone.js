// Tells the server the reader's time zone, so that the next page has the right times at once.

import { tellServer } from "./cookies.js"

tellServer("zone", -new Date().getTimezoneOffset()) // minutes ahead of UTC
