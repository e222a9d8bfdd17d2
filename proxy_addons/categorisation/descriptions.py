"""One line of description for each category of a list.

In: a list's folder: `<category>/description` (ours), `global_usage` (UT1), `<category>/usage`.
Out: category to description.
Must never: be policy. `usage` holds words such as `black` and `white`; they are left out, because
what a list's author would do with a category is not what the force does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_READ_AT_MOST = 1 << 18  # octets of each file
_LONGEST = 200  # characters of a description
_POLICY_WORDS = {"black", "white", "grey", "gray"}


def read_descriptions(folder: Path) -> dict[str, str]:
    """Reads the descriptions of a list.

    Raises:
        OSError: when a folder cannot be read. A file that cannot be read describes nothing.
    """
    found: dict[str, str] = {}
    for category in sorted(folder.iterdir()):
        if category.name.startswith(".") or category.is_symlink() or not category.is_dir():
            continue
        lines = _lines(category / "description") or _plain_words(category / "usage")
        if lines:
            found[category.name.lower()] = lines[0]
    found.update(_from_global_usage(folder / "global_usage"))
    return found


def _plain_words(path: Path) -> list[str]:
    words = [line for line in _lines(path) if line.lower() not in _POLICY_WORDS]
    return [", ".join(words)[:_LONGEST]] if words else []


def _from_global_usage(path: Path) -> Iterator[tuple[str, str]]:
    """Blocks of `NAME:` and `DESC EN:` lines."""
    name = ""
    for line in _lines(path):
        field, _, value = line.partition(":")
        if field == "NAME":
            name = value.strip().lower()
        elif field == "DESC EN" and name and value.strip():
            yield name, value.strip()[:_LONGEST]


def _lines(path: Path) -> list[str]:
    """The lines of a small text file that are not blank or comments, without control characters."""
    if path.is_symlink() or not path.is_file():
        return []
    with path.open("rb") as file:
        text = file.read(_READ_AT_MOST).decode("utf-8", "replace")
    lines = (
        "".join(character for character in line if character.isprintable()).strip()
        for line in text.split("\n")
    )
    return [line[:_LONGEST] for line in lines if line and not line.startswith("#")]
