// The sign-up page, and that for a new password: no field may be empty, and no password too short.

import "./page.js"
import "./forms/passwords.js"
import { check, emptyField } from "./forms/checks.js"
import { removeLeftovers } from "./forms/leftovers.js"

const MIN_LENGTH = 8 // characters, as in auth/passwords.py

const form = document.querySelector("form")
check(form, (form) => emptyField(form) ?? shortPassword(form))
removeLeftovers(form)

function shortPassword({ elements: { password } }) {
  if ([...password.value].length >= MIN_LENGTH) return
  return { field: password, text: `Password must have at least ${MIN_LENGTH} characters` }
}
