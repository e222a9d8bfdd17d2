"""An entry that replaces the key of the log, and which keys a checkpoint needs because of it.

In: entries of the log, the keys that whoever checks was given. Out: for the size of a checkpoint,
the keys that must all have signed it.
Must never: let a key count for a checkpoint after its replacement, but for the one that first
contains it; follow an entry that replaces a key which was not in force.

The checkpoint that first contains such an entry is signed with both keys: by the old one, since
nobody else may say what follows it, and by the new one, which so says that it is there.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.seal.manifest import VERSION, EntryError, entry_of, parsed
from proxy_addons.accesslog.seal.notes import ED25519, NoteError, Verifier

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

KEY_KIND: Final = "key"
_FIELDS: Final = {"kind", "version", "key", "replaces", "at", "reason"}
LONGEST_REASON: Final = 500
"""Characters."""


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One replacement.

    Attributes:
        key: the new key.
        replaces: the old one.
        at: when, RFC 3339, UTC.
        reason: in words; no personal data: entries are kept for good.
    """

    key: Verifier
    replaces: Verifier
    at: str
    reason: str

    def entry(self) -> bytes:
        """As it stands in the log."""
        said = {"key": str(self.key), "replaces": str(self.replaces)}
        return entry_of(KEY_KIND, {**said, "at": self.at, "reason": self.reason})

    @classmethod
    def parse(cls, entry: bytes) -> KeyChange:
        """Read one.

        Raises:
            EntryError: it is none, or was not written so.
        """
        said = parsed(entry)
        if said["kind"] != KEY_KIND or said["version"] != VERSION or said.keys() != _FIELDS:
            raise EntryError("not the entry of a key")
        if not all(isinstance(said[each], str) for each in _FIELDS - {"version"}):
            raise EntryError("an entry of a key with something in it that is no text")
        try:
            key, replaces = Verifier.parse(said["key"]), Verifier.parse(said["replaces"])
        except NoteError as problem:
            raise EntryError(f"an entry of a key: {problem}") from problem
        found = cls(key, replaces, said["at"], said["reason"])
        if (key.kind, replaces.kind) != (ED25519, ED25519) or key.name != replaces.name:
            raise EntryError("an entry of a key that is none of this log")
        if found.entry() != entry:
            raise EntryError("an entry that is written in another way than ours")
        return found


class Keys:
    """The keys of a log, one after the other.

    Args:
        given: keys that whoever checks trusts. One of those in the chain is enough: it vouches for
            the others, forwards by signing for its successor, backwards since it signed the tree
            that holds them.
        changes: entries of keys, each with its place in the log, in their order.

    Attributes:
        wrong: places of entries that replace a key that was not in force. They count for nothing.
    """

    def __init__(
        self, given: Collection[Verifier], changes: Iterable[tuple[int, KeyChange]]
    ) -> None:
        self._given = tuple(given)
        self._chain: list[Verifier] = []
        self._places: list[int] = []
        self.wrong: list[int] = []
        for place, change in changes:
            if self._chain and self._chain[-1] != change.replaces:
                self.wrong.append(place)
                continue
            self._chain = [*(self._chain or [change.replaces]), change.key]
            self._places.append(place)

    @property
    def all(self) -> tuple[Verifier, ...]:
        """Every key whose signatures are looked at, each once."""
        return tuple(dict.fromkeys((*self._given, *self._chain)))

    def needed(self, size: int, sizes: Sequence[int]) -> tuple[Verifier, ...] | None:
        """The keys that must all have signed a checkpoint.

        Args:
            size: of the checkpoint.
            sizes: of all checkpoints that are there, in their order.

        Returns:
            Keys; none of them where the chain cannot be reached from a given key: then nothing
            counts; None where the log has had one key only: then any that was given does.
        """
        if not self._chain:
            return None
        if not set(self._chain) & set(self._given):
            return ()
        at = bisect_left(sizes, size)
        before = sizes[at - 1] if at else 0
        first, last = bisect_left(self._places, before), bisect_left(self._places, size)
        return tuple(self._chain[first : last + 1])
