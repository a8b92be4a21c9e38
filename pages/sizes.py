"""Sizes of files as people read them."""

UNITS = ("kB", "MB", "GB")


def size_text(size: int) -> str:
    """Return a number of bytes as in `640 bytes`, `87 kB` or `1.2 MB`.

    static/js/log/file.js does the same.
    """
    if size < 1000:
        return "1 byte" if size == 1 else f"{size} bytes"
    number = float(size)
    for unit in UNITS:
        number /= 1000
        # What would be rounded to 1,000 is one of the next unit.
        if number < 999.5 or unit == UNITS[-1]:
            break
    return f"{number:.1f} {unit}" if number < 9.95 else f"{number:.0f} {unit}"
