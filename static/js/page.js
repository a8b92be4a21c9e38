// Every page.

import "./browser/busy.js"
import "./browser/restored.js"
