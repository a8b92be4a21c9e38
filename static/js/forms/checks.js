// Checks a form of the account pages before it is sent, and shows the error beside its field.

// `problem` returns { field, text } for the first field that is wrong, or nothing.
export function check(form, problem) {
  if (!form) return // a link that can't be used leads to a page without one
  form.noValidate = true
  form.addEventListener("submit", (event) => {
    const found = problem(form)
    if (!found) return
    event.preventDefault()
    showError(form, found)
  })
}

export function emptyField(form) {
  const field = [...form.querySelectorAll("[required]")].find((field) => !field.value.trim())
  return field && { field, text: "Please fill all fields" }
}

// The page has one error element, which the server may have put beside another field.
function showError(form, { field, text }) {
  const error = document.getElementById("error")
  for (const earlier of form.querySelectorAll("[aria-invalid]")) {
    earlier.removeAttribute("aria-invalid")
    earlier.removeAttribute("aria-describedby")
  }
  field.closest(".field").append(error)
  error.textContent = text
  field.setAttribute("aria-invalid", "true")
  field.setAttribute("aria-describedby", "error")
  field.focus()
}
