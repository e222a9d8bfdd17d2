"""The table of evasions: what its reader takes, and what the table itself has."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from proxy_addons.selftest.table import FILE, TableError, filled, find, read, spellings

TOP = Path(__file__).parents[2]
ROW = "name: a row, line: GET / HTTP/1.1, want: refused"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "wanted groups"),
        ("a: {}", "wanted a list of rows"),
        ("a: []", "wanted a list of rows"),
        ("a: [{line: x}]", "each with a name"),
        (f"a: [{{{ROW}, wnat: refused}}]", "unknown key 'wnat'"),
        (f"a: [{{{ROW}, name: b}}]", "line 1: 'name' is given twice"),
        (f"a: [{{{ROW}}}]\na: [{{{ROW}}}]", "line 2: 'a' is given twice"),
        (f"a: [{{{ROW}}}, {{{ROW}}}]", "two rows have this name"),
        ("a: [{name: b, line: x}]", "want: wanted a text or a list of texts"),
        ("a: [{name: b, line: x, want: maybe}]", "want: wanted one or more of"),
        ("a: [{name: b, want: refused}]", "nothing is sent"),
        ("a: [{name: b, line: x, want: passed}]", "say what the origin must get"),
        (f"a: [{{{ROW}, needs: luck}}]", "needs: wanted some of"),
        (f"a: [{{{ROW}, tunnel: 'x:443', tls: {{speed: 1}}}}]", "tls: wanted keys of"),
        (f"a: [{{{ROW}, h2: [{{headers: []}}]}}]", "h2: wanted requests with head and body"),
        ("a: [{name: b, line: x, want: withheld}]", "withheld: stands alone"),
        (
            "a: [{name: b, line: x, want: [withheld, refused], answer: {body: [text]}}]",
            "stands alone",
        ),
        (
            "a: [{name: b, line: x, want: withheld, answer: {body: [x]}}]",
            "answer: body: 'x' is not",
        ),
        ("a: [", "the table: "),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    with pytest.raises(TableError, match=re.escape(said)):
        read(text)


def test_a_name_that_nobody_knows_is_no_text() -> None:
    with pytest.raises(TableError, match=r"\{blokced\} is no name"):
        filled("GET http://{blokced}/", spellings({"blocked": "a.test", "allowed": "b.test"}))


def test_the_table_covers_what_it_should() -> None:
    rows = read(find().read_text("utf-8"))
    assert len(rows) > 400
    known = spellings({"blocked": "a.test", "allowed": "b.test"}).keys()
    more = {"site", "bank", "proxy", "portal", "proxy_port", "blocked_ip"}
    for row in rows:
        assert set(row.names) <= known | more, row.name
        for text in (*row.gets, *row.never):
            re.compile(filled(text, dict.fromkeys(known | more, "x")))


def test_a_wheel_carries_the_table_of_the_tests() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))
    carried = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert carried == {f"tests/cases/{FILE}": f"proxy_addons/selftest/{FILE}"}
    assert find() == TOP / "tests/cases" / FILE


def test_the_threat_model_lists_the_table() -> None:
    text = (TOP / "docs/THREAT-MODEL.md").read_text("utf-8")
    section = text.partition("### No way round\n")[2].partition("\n### ")[0]
    rows = read(find().read_text("utf-8"))
    counted = Counter(row.group for row in rows)
    listed = dict(re.findall(r"(?m)^\| ([^|]+) \| ([0-9]+) \|$", section))
    assert listed == {group: str(number) for group, number in counted.items()}
    open_ones = {f"- {row.name}: {row.hole}." for row in rows if row.hole}
    assert open_ones == set(re.findall(r"(?m)^- .+$", section))
