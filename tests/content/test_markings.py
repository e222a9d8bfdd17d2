"""Protective markings, told from prose. The texts are in tests/cases/markings.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.content.markings import KEPT, Part, markings_in
from proxy_addons.policy.findings import MARKINGS

CASES = yaml.safe_load(
    (Path(__file__).parents[1] / "cases" / "markings.yaml").read_text(encoding="utf-8")
)


def _name(case: dict[str, str]) -> str:
    return f"{case['where']}: {case['text'][:60]}"


@pytest.mark.parametrize("case", CASES["marked"], ids=_name)
def test_a_marking_is_found(case: dict[str, Any]) -> None:
    assert markings_in([Part(case["where"], case["text"])]) == {case["is"]}


@pytest.mark.parametrize("case", CASES["ordinary"], ids=_name)
def test_prose_is_no_marking(case: dict[str, Any]) -> None:
    assert markings_in([Part(case["where"], case["text"])]) == frozenset()


def test_every_marking_of_the_vocabulary_has_a_case() -> None:
    assert {case["is"] for case in CASES["marked"]} == set(MARKINGS)


def test_a_text_in_pieces_is_one_text() -> None:
    text = "West Midlands Police\nRESTRICTED\nParade at six.\nBring boots.\nAnd a hat.\n"
    pieces = [Part("body", line) for line in text.splitlines()]
    assert markings_in(pieces) == markings_in([Part("body", text)]) == {"restricted"}


def test_markings_of_several_parts_are_put_together() -> None:
    parts = [Part("header", "RESTRICTED"), Part("name", "OFFICIAL-SENSITIVE x.docx")]
    assert markings_in(parts) == {"restricted", "official-sensitive"}


def test_a_head_of_pages_without_marking_quiets_headings_in_the_text() -> None:
    text = "\n".join([*"abcdefgh", "OFFICIAL-SENSITIVE", *"ijklmnop"])
    assert markings_in([Part("body", text)]) == {"official-sensitive"}
    assert markings_in([Part("header", "OFFICIAL"), Part("body", text)]) == frozenset()


def test_a_marking_at_the_end_of_a_long_text_counts_however_many_there_were() -> None:
    lines = ["word"] * 10 + ["SECRET", "word"] * (KEPT * 3) + ["word", "RESTRICTED"]
    assert "restricted" in markings_in([Part("body", "\n".join(lines))])


@given(st.text(max_size=400), st.sampled_from(["header", "body", "property", "subject", "name"]))
def test_any_text_has_an_answer(text: str, where: Any) -> None:
    assert markings_in([Part(where, text)]) <= set(MARKINGS)


@given(
    st.sampled_from(["RESTRICTED", "OFFICIAL-SENSITIVE", "SECRET", "CONFIDENTIAL", "TOP SECRET"]),
    st.lists(st.text(st.characters(categories=["Ll"]), min_size=1, max_size=40), max_size=40),
)
def test_the_first_line_is_a_marking_whatever_follows(marking: str, lines: list[str]) -> None:
    text = "\n".join([marking, "words of the text", *lines])
    assert markings_in([Part("body", text)]) == {marking.lower().replace(" ", "-")}


@given(st.lists(st.text(st.characters(categories=["Ll", "Zs"]), max_size=60), max_size=60))
def test_a_text_in_small_letters_has_none(lines: list[str]) -> None:
    text = "\n".join(["nothing is restricted, secret or confidential here", *lines, "the end"])
    assert markings_in([Part("body", text)]) == frozenset()
