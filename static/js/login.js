// The log-in page: no field may be empty.

import "./page.js"
import "./forms/passwords.js"
import { check, emptyField } from "./forms/checks.js"
import { removeLeftovers } from "./forms/leftovers.js"

const form = document.querySelector("form")
check(form, emptyField)
removeLeftovers(form)
