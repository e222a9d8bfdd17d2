"""docs/identity.md and the program's words: one search finds both.

In: the table of errors, the sources. Out: passes, or names the words.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from proxy_addons.identity.basic import FAILURES, WINDOW
from proxy_addons.identity.kerberos import LONGEST_TOKEN

TOP = Path(__file__).parents[2]
SOURCES = ("identity/kerberos.py", "identity/keytab.py", "identity/basic.py", "gate/signin.py")
DOCUMENT = (TOP / "docs/identity.md").read_text("utf-8")
ROWS = re.findall(r"(?m)^\| `([a-z-]+)` \| (.+?) \| .*\|$", DOCUMENT.partition("## The errors")[2])


def strings(path: Path) -> list[str]:
    """All texts in a source, those of several parts as one; what is filled in is `…`."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        elif isinstance(node, ast.JoinedStr):
            parts = [each.value if isinstance(each, ast.Constant) else "…" for each in node.values]
            found.append("".join(map(str, parts)))
    return found


SAID = [text for name in SOURCES for text in strings(TOP / "proxy_addons" / name)]


@pytest.mark.parametrize("words", [words for _, words in ROWS])
def test_what_the_table_says_is_what_the_program_says(words: str) -> None:
    for number in (f"{LONGEST_TOKEN}", f"{FAILURES} wrong", f"{WINDOW / 60:.0f} minutes"):
        words = words.replace(number, number.replace(number.split()[0], "…"))
    assert any(words in text for text in SAID), words


def problems(name: str) -> list[tuple[str, str]]:
    """Kind and words of each `Rejection` that a source makes itself."""
    found = []
    for node in ast.walk(ast.parse((TOP / "proxy_addons" / name).read_text("utf-8"))):
        if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Rejection"):
            continue
        kind, words = node.args[:2]
        if isinstance(kind, ast.Constant) and isinstance(words, ast.Constant):
            found.append((str(kind.value), str(words.value)))
    return found


def test_every_rejection_of_kerberos_is_in_the_table() -> None:
    made = problems("identity/kerberos.py")
    assert len(made) > 15
    assert not set(made) - set(ROWS)
