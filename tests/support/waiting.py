"""How long a test waits."""

PATIENCE = 10  # seconds until what should have come counts as missing
