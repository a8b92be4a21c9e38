import { check, isFilled } from "./form.js"

check(document.querySelector("form"), (form) => (isFilled(form) ? "" : "Please fill all fields"))
