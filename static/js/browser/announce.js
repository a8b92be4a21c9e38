// Let screen readers say a text when they have finished what they are saying.
export function announce(text) {
  document.getElementById("status").textContent = text
}
