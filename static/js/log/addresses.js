// The addresses of messages. The templates write the same ones; tests hold both together.

export const idOf = (seq) => `m${seq}` // of its element in a page

export const NEWEST = "/?newest=" // the newest messages, even where earlier ones are unread

export const addressOf = (seq) => `/?around=${seq}#${idOf(seq)}`

// Return the seq of the message that a link or a location leads to; 0: to none.
export function seqOf({ origin, pathname, search }) {
  const isOurs = origin === location.origin && pathname === "/"
  const [, seq] = (isOurs && /^\?around=(\d{1,15})$/.exec(search)) || []
  return Number(seq ?? 0)
}

export const newerThan = (seq) => `/?after=${seq}`

export const olderThan = (seq) => `/?before=${seq}`

export const changeOf = (seq) => `/message/${seq}` // the page where it can be changed
