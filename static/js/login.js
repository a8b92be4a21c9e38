// The log-in page: no field may be empty.

import { check, emptyField } from "./forms/checks.js"

check(document.querySelector("form"), emptyField)
