// Make a field as tall as its text, up to its maximum height, in browsers without field-sizing.
export function autosize(field) {
  if (CSS.supports("field-sizing", "content")) return
  let isScheduled = false
  field.addEventListener("input", () => {
    if (!isScheduled) requestAnimationFrame(fit) // once for all keys of a frame
    isScheduled = true
  })

  function fit() {
    isScheduled = false
    field.rows = 1
    const { lineHeight, paddingTop, paddingBottom } = getComputedStyle(field)
    const padding = parseFloat(paddingTop) + parseFloat(paddingBottom)
    field.rows = Math.round((field.scrollHeight - padding) / parseFloat(lineHeight))
  }
}
