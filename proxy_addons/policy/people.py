"""Names of people, in the one form in which they are compared and kept.

In: a login name as a directory, ticket, file or person spelt it. Out: its canonical form.
Must never: make two people one: only case and the composition of letters are taken away.
"""

from __future__ import annotations

import unicodedata

LONGEST = 256  # characters; principals are shorter (RFC 4120 sets none, directories do)


def canonical_name(name: str) -> str:
    """The canonical form of a login name: NFC, case folded, without space around it.

    Directories compare login names without case (RFC 4519 2.39), and so do the exemption register
    and the access log: `PC1234` and `pc1234` are one person.

    Raises:
        ValueError: it is empty, too long, or holds controls. The message quotes nothing.
    """
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name.strip()).casefold())
    if not folded or len(folded) > LONGEST:
        msg = f"a login name has 1 to {LONGEST} characters"
        raise ValueError(msg)
    if not folded.isprintable():
        msg = "a login name with characters that cannot be shown"
        raise ValueError(msg)
    return folded
