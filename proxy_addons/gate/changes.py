"""Changes: what rules change about a request that is sent on, for both lanes.

In: a judgement. Out: `HeadChanges`, to be applied to the head as it goes on; their names.
Must never: tell a value; change a request for the name of another site that stands in its address.

The client's own copies go first, so that nobody can send one of their own. Servers differ on which
of several parameters counts, on what parts them, and all decode their names: so does this.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, unquote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from proxy_addons.gate.judge import Judgement
    from proxy_addons.policy.effects import Change
    from proxy_addons.urlkey import UrlKey

_PARTED = re.compile("([&;])")


@dataclass(frozen=True, slots=True)
class HeadChanges:
    """What is changed in a request's head.

    Attributes:
        removed: names of fields that the client's own are taken out of, lower case.
        added: fields that it gets instead.
        query: parameters that its query gets, instead of the client's own.
    """

    removed: frozenset[bytes]
    added: tuple[tuple[bytes, bytes], ...]
    query: tuple[tuple[str, str], ...]

    def fields(self, kept: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The fields that are sent on, with the changes."""
        removed = self.removed
        return [*(field for field in kept if field[0].lower() not in removed), *self.added]

    def path(self, path: str) -> str:
        """Path and query as they are sent on."""
        if not self.query or not path.startswith("/"):
            return path
        before, _, query = path.partition("?")
        ours = {name for name, _ in self.query}
        pieces = ["&", *_PARTED.split(query)]  # each with what stands before it
        kept = [
            (mark, piece)
            for mark, piece in zip(pieces[::2], pieces[1::2], strict=True)
            if unquote_plus(piece.partition("=")[0], errors="replace") not in ours
        ]
        text = "".join(mark + piece for mark, piece in kept)[1:]
        added = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in self.query)
        return f"{before}?{text}{'&' if text else ''}{added}"


def changes_of(judgement: Judgement, names: Sequence[UrlKey]) -> tuple[Change, ...]:
    """What rules change about a request, in order, each rule once.

    Args:
        judgement: of it.
        names: that it goes by itself. Addresses that stand in its own count for the decision, but
            the request does not go there.
    """
    if not judgement.each:
        return judgement.decision.changes
    of_names = (
        change
        for key, decision in judgement.each
        if decision.changes and key in names
        for change in decision.changes
    )
    return tuple({change.rule: change for change in of_names}.values())


def head_changes(changes: Sequence[Change]) -> HeadChanges:
    """The same for a lane. Of two that name the same header or parameter the first counts."""
    fields: dict[str, tuple[str, str] | None] = {}
    query: dict[str, str] = {}
    for change in changes:
        effects = change.effects
        for pair in effects.set_headers:
            fields.setdefault(pair[0].lower(), pair)
        for name in effects.remove_headers:
            fields.setdefault(name.lower(), None)
        for name, value in effects.set_query:
            query.setdefault(name, value)
    return HeadChanges(
        frozenset(name.encode("ascii") for name in fields),
        tuple(
            (pair[0].encode("ascii"), pair[1].encode("ascii")) for pair in fields.values() if pair
        ),
        tuple(query.items()),
    )


def names_of_changes(changes: Sequence[Change]) -> tuple[str, ...]:
    """What is changed and by which rule, as the record says it."""
    return tuple(dict.fromkeys(name for change in changes for name in change.names()))
