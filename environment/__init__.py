"""What the settings are read from: the file `.env`, and names that somebody has mistyped."""
