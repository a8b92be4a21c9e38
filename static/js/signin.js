import { check, isFilled } from "./form.js"

check(document.querySelector("form"), (form) => {
  if (!isFilled(form)) return "Please fill all fields"
  const { password, password2 } = form.elements
  return password.value === password2.value ? "" : "Passwords must be the same"
})
