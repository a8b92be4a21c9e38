// Lets a field grow with its text, up to its greatest height, in browsers that don't by themselves.
export function grow(field) {
  if (CSS.supports("field-sizing", "content")) return
  let isDue = false
  field.addEventListener("input", () => {
    if (!isDue) requestAnimationFrame(fit) // once for all keys of a frame
    isDue = true
  })

  function fit() {
    isDue = false
    field.rows = 1
    const { lineHeight, paddingTop, paddingBottom } = getComputedStyle(field)
    const padding = parseFloat(paddingTop) + parseFloat(paddingBottom)
    field.rows = Math.round((field.scrollHeight - padding) / parseFloat(lineHeight))
  }
}
