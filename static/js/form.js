// Forms of the account pages: says what is missing before the server has to.

export function check(form, problem) {
  const error = form.querySelector("[role=alert]")
  form.noValidate = true
  form.addEventListener("submit", (event) => {
    const text = problem(form)
    if (!text) return
    event.preventDefault()
    error.textContent = text
  })
}

export function isFilled(form) {
  return [...form.querySelectorAll("[required]")].every((field) => field.value.trim())
}
