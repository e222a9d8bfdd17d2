"""Heads for tests: from lines, and any at all."""

from __future__ import annotations

from hypothesis import strategies as st

from proxy_addons.addons.fieldroles import ROLES

type Pairs = list[tuple[bytes, bytes]]

TOKENS = st.text("abcXYZ-_!#", min_size=1, max_size=12).map(str.encode)
VALUES = st.binary(max_size=12)
NAMES = st.one_of(
    TOKENS,
    st.sampled_from(sorted(ROLES)),
    st.sampled_from([b"Host", b"CONNECTION", b"Te", b"Cookie"]),
)
HEADS = st.lists(st.tuples(NAMES, VALUES), max_size=8)


def pairs(*lines: str) -> Pairs:
    return [
        (name.encode(), value.encode())
        for name, _, value in (line.partition(": ") for line in lines)
    ]
