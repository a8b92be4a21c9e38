"""settings: print what can be set, as `.env.example` or as docs/settings.md has it."""

from argparse import Namespace
from pathlib import Path
from textwrap import fill, indent

from settings import ROOT, Variable, variables

ENV_EXAMPLE = """\
# Made by `make settings`. Copy it to .env and change what you need. Variables of the environment
# override .env; an empty value counts as unset, and of two lines with a name the last one counts.
# Quote a value that has # or quotes.
"""
MARKDOWN = """\
# Settings

The chat reads its settings from environment variables, then from a file `.env` beside `app.py`. An
empty value counts as unset, and of two lines with a name the last one that has a value counts. A
line that is not understood, and a name that is certainly mistyped, stop the start.
[.env.example](../.env.example) is a `.env` to begin with, and `.venv/bin/python app.py check` says
what is wrong with yours. `make settings` makes that example and this page from
[settings.py](../settings.py).

| variable | default | on Heroku | meaning |
|---|---|---|---|
"""


async def print_settings(arguments: Namespace) -> None:
    """Print all settings with their defaults and meanings, whatever the environment says."""
    if arguments.markdown:
        print(MARKDOWN, *map(table_row, variables()), sep="", end="")
    else:
        print(ENV_EXAMPLE, *map(example, variables()), sep="", end="")


def example(variable: Variable) -> str:
    """Return a variable's lines in `.env.example`."""
    meaning = fill(variable.meaning, width=98, break_long_words=False, break_on_hyphens=False)
    comment = indent(meaning, "# ")
    return f"\n{comment}\n{variable.name}={as_text(variable.default)}\n"


def table_row(variable: Variable) -> str:
    """Return a variable's row of the table; its default on Heroku is there if it is another."""
    default = f"`{text}`" if (text := as_text(variable.default)) else "unset"
    on_heroku = ""
    if variable.on_heroku is not None:
        on_heroku = f"`{as_text(variable.on_heroku)}`"
    elif variable.needed_on_heroku:
        on_heroku = "required"
    return f"| `{variable.name}` | {default} | {on_heroku} | {variable.meaning} |\n"


def as_text(value: object) -> str:
    """Return a default as one writes it into `.env`; "" if there is none."""
    match value:
        case () | None:
            return ""
        case bool():
            return str(value).lower()
        case Path():
            return str(value.relative_to(ROOT))
        case _:
            return str(value)
