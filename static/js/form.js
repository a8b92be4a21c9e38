// Forms of the account pages: says what is wrong, beside the field, before the server has to.

// `problem` returns the field that is wrong and a text, or nothing.
export function check(form, problem) {
  form.noValidate = true
  form.addEventListener("submit", (event) => {
    const found = problem(form)
    if (!found) return
    event.preventDefault()
    complain(form, found)
  })
}

export function emptyField(form) {
  const field = [...form.querySelectorAll("[required]")].find((field) => !field.value.trim())
  return field && { field, text: "Please fill all fields" }
}

// There is one error at a time, so its element moves, also one that the server has put.
function complain(form, { field, text }) {
  const error = document.getElementById("error")
  for (const earlier of form.querySelectorAll("[aria-invalid]")) {
    earlier.removeAttribute("aria-invalid")
    earlier.removeAttribute("aria-describedby")
  }
  field.after(error)
  error.textContent = text
  field.setAttribute("aria-invalid", "true")
  field.setAttribute("aria-describedby", "error")
  field.focus()
}
