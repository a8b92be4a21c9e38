// The log-in page: no field may be empty.

import { check, emptyField } from "./form.js"

check(document.querySelector("form"), emptyField)
