// What stands for a person beside a name: an initial in the person's colour, as on the server
// (chat/render.py).

const COLOURS = 8 // of people, in avatar.css

// Return the class of a person's colour, which is the same on every page.
export function colourClass(user) {
  let hash = 0
  for (const character of user) hash = (hash * 31 + character.codePointAt(0)) % 65_521
  return `person--${hash % COLOURS}`
}

export function initial(user) {
  const [first] = user
  return first.toUpperCase()
}
