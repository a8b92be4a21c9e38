"""The room: messages from the key press to every screen, who is here, what has been read."""
