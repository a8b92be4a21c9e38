"""The page /account: one's own password, sessions, messages, and the account's end."""
