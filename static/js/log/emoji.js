// What is shown large: a few emoji, and nothing else (chat/emoji.py knows the usual ones).

const ONLY_EMOJI = /^(?:\p{RGI_Emoji}\s*){1,6}$/v

export function isOnlyEmoji(text) {
  return ONLY_EMOJI.test(text)
}
