// The addresses of messages. The templates write the same ones; tests hold both together.

export const idOf = (seq) => `m${seq}` // of its element in a page

export const addressOf = (seq) => `/?around=${seq}#${idOf(seq)}`

export const olderThan = (seq) => `/?before=${seq}`

export const changeOf = (seq) => `/message/${seq}` // the page where it can be changed
