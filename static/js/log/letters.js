// Letters and signs of the world's scripts, as parts of regular expressions with the flag u.

// Letters of scripts without spaces between words, or whose words take particles, as Hangul does:
// beside one, a link or a name may begin, and a word may be bold.
export const UNSPACED = `[${["Han", "Hira", "Kana", "Bopo", "Hang", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"]
  .map((script) => String.raw`\p{scx=${script}}`)
  .join("")}]`

// Full-width punctuation, as it is in these scripts, and small or vertical forms of it; for a class.
export const WIDE =
  String.raw`\u3000-\u3004\u3008-\u3020\u3030\u303d\ufe10-\ufe19\ufe30-\ufe6f` +
  String.raw`\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65`

// Marks of direction, and other characters without width; for a class.
export const INVISIBLE = String.raw`\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f`
