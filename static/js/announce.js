// Tells those who listen to the page what others see, as soon as they are not interrupted.
export function announce(text) {
  document.getElementById("status").textContent = text
}
