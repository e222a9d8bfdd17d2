"""Several values as one string of octets, in one way only.

In: texts, octets. Out: each with its length before it.
Must never: make the same octets of two different lists: what is hashed would then be ambiguous.
"""

from __future__ import annotations


def packed(*parts: str | bytes) -> bytes:
    """Each part as its length (8 octets, the most significant first) and its octets (UTF-8)."""
    found = (part.encode() if isinstance(part, str) else part for part in parts)
    return b"".join(len(part).to_bytes(8, "big") + part for part in found)
