"""The page /search: finds messages by words."""
