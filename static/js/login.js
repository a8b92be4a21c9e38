import { check, emptyField } from "./form.js"

check(document.querySelector("form"), emptyField)
