// Every page.

import "./browser/busy.js"
import "./browser/restored.js"
import "./browser/time_zone.js"
