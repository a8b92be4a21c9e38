// The colours of names.

const COLOURS = 8 // in message.css

// Return the class of a person's colour, which is the same on every page (chat/render.py).
export function colourClass(user) {
  let hash = 0
  for (const character of user) hash = (hash * 31 + character.codePointAt(0)) % 65_521
  return `message__author--${hash % COLOURS}`
}
