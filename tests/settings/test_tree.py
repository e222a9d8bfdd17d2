from __future__ import annotations

from typing import Any

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy_addons.settings.problems import Report
from proxy_addons.settings.tree import Mapping, Node, Scalar, Sequence, read


def plain(node: Node) -> Any:
    """The node as text, lists and dictionaries."""
    if isinstance(node, Mapping):
        return {name.text: plain(value) for name, value in node.entries}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    assert isinstance(node, Scalar)
    return node.text


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example(b"{" * 3000)
@example(b"a: " + b"[" * 3000)
@example(b"- " * 3000)
@example(b"\xff\xfea\x00")
@example(b"\xef\xbb\xbfa: 1")
@example(b"a: \xc2\x85b")
@example(b"? ? ? a")
@example(b"%YAML 9.9\n---\na: 1")
@example(b"a: !<x> b")
def test_any_bytes_are_read_or_reported(data: bytes):
    report = Report()
    root = read(data, "file", report)
    assert root is not None or report.problems
    for problem in report.problems:
        assert problem.place.startswith("file")
        assert str(problem).isprintable()


texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co")))
values = st.recursive(
    texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=10
)


@settings(deadline=None)
@given(st.dictionaries(texts, values, min_size=1))
def test_what_was_written_is_read(data: dict[str, Any]):
    report = Report()
    written = yaml.safe_dump(data, allow_unicode=True, default_style='"')
    root = read(written.encode(), "file", report)
    assert report.problems == []
    assert root is not None
    assert plain(root) == data


def test_every_node_knows_its_line():
    report = Report()
    root = read(b"# head\na:\n  - b\n\n  - c: d\n", "file", report)
    assert root is not None
    ((name, items),) = root.entries
    assert isinstance(items, Sequence)
    assert [name.place, items.place, *(item.place for item in items.items)] == [
        "file:2", "file:3", "file:3", "file:5",
    ]  # fmt: skip


def test_a_byte_order_mark_is_no_part_of_the_first_key():
    root = read(b"\xef\xbb\xbflisten: 1\n", "file", Report())
    assert root is not None
    assert plain(root) == {"listen": "1"}


def test_how_yaml_would_read_a_scalar():
    written = {
        "text": ["abc", '"5"', "'no'", "08:00", "1e3", "1024-65535", "|\n  5"],
        "integer": ["5", "0x1f", "010", "1_000", "+3"],
        "number": ["5.5", "1.0e+3", ".inf"],
        "boolean": ["yes", "No", "on", "true"],
        "nothing": ["", "~", "null"],
        "time": ["12:30", "1:30:00", "12:30.5"],
        "date": ["2026-11-24", "2026-11-24T10:30:00Z"],
    }
    for reading, scalars in written.items():
        for scalar in scalars:
            root = read(f"a: {scalar}\n".encode(), "file", Report())
            assert root is not None
            ((_, node),) = root.entries
            assert isinstance(node, Scalar)
            assert (scalar, node.reads_as) == (scalar, reading)
