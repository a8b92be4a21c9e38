// The sign-up page: no field may be empty, and both passwords must be the same.

import { check, emptyField } from "./forms/checks.js"

check(document.querySelector("form"), (form) => emptyField(form) ?? differentPasswords(form))

function differentPasswords({ elements: { password, password2 } }) {
  if (password.value === password2.value) return
  return { field: password2, text: "Passwords must be the same" }
}
