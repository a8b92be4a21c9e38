// The sign-up page: no field may be empty, and both passwords must be the same.

import "./page.js"
import { check, emptyField } from "./forms/checks.js"
import { removeLeftovers } from "./forms/leftovers.js"

const form = document.querySelector("form")
check(form, (form) => emptyField(form) ?? differentPasswords(form))
removeLeftovers(form)

function differentPasswords({ elements: { password, password2 } }) {
  if (password.value === password2.value) return
  return { field: password2, text: "Passwords must be the same" }
}
