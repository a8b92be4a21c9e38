// A button in each field for a password shows what is typed, until the form is sent.

const fields = document.querySelectorAll("[type=password]")

for (const field of fields) {
  const button = field.nextElementSibling
  button.hidden = false
  button.addEventListener("click", () => show(field, field.type === "password"))
}

function show(field, isShown) {
  field.type = isShown ? "text" : "password"
  field.nextElementSibling.ariaPressed = isShown
}

const hide = () => fields.forEach((field) => show(field, false))
// Before anything else: browsers offer to keep what is in a field for passwords, and others must not
// find the text when they go back to the page.
addEventListener("submit", hide, true)
addEventListener("pagehide", hide)
