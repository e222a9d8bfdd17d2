"""`watchhouse explain --file PATH`: what is found in a file, as the gateway finds it in a body.

In: a file, under which name and type it would come. Out: what was found, for people or as JSON.
Must never: open the file in this process for more than its bytes (content/examiner.py does, in one
that can do nothing); run or unpack anything; contact a scanner.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proxy_addons.content.declared import declared_of, named
from proxy_addons.content.examiner import Examined, Examiner
from proxy_addons.policy.findings import FILE_TYPE, FILE_TYPES, MEMBER, found, words_of

if TYPE_CHECKING:
    from pathlib import Path

    from rich.table import Table

    from proxy_addons.content.declared import Declared
    from proxy_addons.settings.content import Archives


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found in a file.

    Attributes:
        name: that it was looked at under.
        size: in bytes.
        content_type: that it was looked at under; "" none.
        examined: what was found.
    """

    name: str
    size: int
    content_type: str
    examined: Examined

    @property
    def findings(self) -> frozenset[str]:
        """As facts have them."""
        examined = self.examined
        return (
            found(FILE_TYPE, examined.file_types) | found(MEMBER, examined.members) | examined.said
        )


def look(
    path: Path, name: str | None, content_type: str | None, limits: Archives, *, sent: bool
) -> Looked:
    """Look at a file as the gateway would.

    Args:
        path: of the file.
        name: that a server would give it; None: its own.
        content_type: likewise; None: none.
        limits: how far archives are looked into.
        sent: whether it would be sent: then its text counts too.

    Raises:
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb"):
        pass  # who may not read it is told so, and not that nothing can be made of it
    declared = _declared(path.name if name is None else name, content_type or "")
    return Looked(
        declared.names[0] if declared.names else "",
        size,
        declared.content_type,
        asyncio.run(_examined(path, declared, limits, sent=sent)),
    )


def _declared(name: str, content_type: str) -> Declared:
    given = named(name)
    typed = declared_of("", content_type, "")
    return given._replace(content_type=typed.content_type)


async def _examined(path: Path, declared: Declared, limits: Archives, *, sent: bool) -> Examined:
    async with Examiner(limits) as examiner:
        return await examiner.examine(path, declared, sent=sent)


def file_as_json(looked: Looked) -> dict[str, Any]:
    """What was found as plain values; the keys are documented in docs/policy.md."""
    examined = looked.examined
    return {
        "name": looked.name,
        "size": looked.size,
        "content_type": looked.content_type,
        "file_types": sorted(examined.file_types),
        "members": sorted(examined.members),
        "first_members": list(examined.first),
        "said": sorted(examined.said),
        "not_examined": examined.why,
    }


def file_table(looked: Looked) -> Table:
    """What was found, for people."""
    from rich.table import Table
    from rich.text import Text

    examined = looked.examined
    lines = (
        ("file", f"{looked.name or 'without a name'}, {looked.size:,} bytes"),
        ("declared", looked.content_type),
        ("it is", _words(examined.file_types)),
        ("in it", _words(examined.members)),
        ("members", "\n".join(examined.first)),
        ("it says", ", ".join(words_of(each) for each in sorted(examined.said))),
        ("but", examined.why),
        ("viruses", "not looked for here: the gateway asks its scanner"),
    )
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in lines:
        if value:
            table.add_row(Text(name, style="dim"), Text(value))
    return table


def _words(ids: frozenset[str]) -> str:
    return ", ".join(f"{FILE_TYPES[each].words} ({each})" for each in sorted(ids))
