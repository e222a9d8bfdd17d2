"""Expressions are searched together, and a matcher that gives up is not a miss."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy_addons.categorisation import expressions
from proxy_addons.categorisation.expressions import ExpressionSet, problem_of


def test_all_that_match_are_found_whatever_their_case() -> None:
    patterns = ExpressionSet(["/banner/", "^example", "casino", r"\.exe$"])
    assert patterns.matching("example.com/Banner/x.EXE", 0) == [0, 1, 3]
    assert patterns.matching("other.com/", 0) == []


def test_an_anchored_expression_also_sees_the_host_without_www() -> None:
    patterns = ExpressionSet(["^example", "^www", "ample"])
    assert patterns.matching("www.example.com/", 4) == [0, 1, 2]
    assert patterns.matching("www.example.com/", 0) == [1, 2]
    assert patterns.matching("not.example.com/", 0) == [2]


def test_a_matcher_that_gives_up_is_replaced_by_one_that_does_not() -> None:
    patterns = ExpressionSet(["casino", "bet"])

    class GaveUp:
        def Match(self, _text: bytes) -> None:  # noqa: N802 - RE2's name
            return None

    assert patterns.matching("example.com/casino", 0) == [0]
    patterns._all._set = GaveUp()
    assert patterns.matching("example.com/casino", 0) == [0]
    assert patterns.matching("example.com/", 0) == []


def test_expressions_that_cannot_be_compiled_together_are_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(expressions, "_MEMORY", 4000)
    with pytest.raises(ValueError, match="together"):
        ExpressionSet(["a{200}b", "c{200}d"])


@pytest.mark.parametrize("pattern", [r"(a)\1", "(?<=a)b", "(", "[", "a{5000}", "*"])
def test_what_re2_cannot_take_is_said(pattern: str) -> None:
    assert problem_of(pattern)


@pytest.mark.parametrize("pattern", ["", "(/banner/|adverts/)", "é", "\udcff", r"\bsex\b"])
def test_what_re2_can_take_or_refuse_never_raises(pattern: str) -> None:
    assert problem_of(pattern) is None or pattern == "\udcff"


def test_a_hostile_url_takes_linear_time() -> None:
    # With a backtracking matcher this would not end.
    patterns = ExpressionSet(["(x+x+)+y", "(a|aa)+$"])
    assert patterns.matching("x" * 60_000, 0) == []


def test_what_re2_repeats_of_a_pattern_does_nothing_to_a_terminal() -> None:
    """Found by scripts/fuzz."""
    said = problem_of("[\x1b\u202eevil")
    assert said is not None
    assert said.isascii()
    assert said.isprintable()
    assert r"\x1b" in said


# Texts of hosts without their www, and where a pattern is anchored.
_ANCHORED = [
    "^[0-9]+/x",
    "^bet",
    "^(a|b)c",
    "^[_q]",
    "^(?-i:B)et",
    "^a|bet",
    r"\bbet",
    "^\\Qa|b",
    "^x*",
]


@example(["^[_q]"], "q0")  # what may follow the greatest text that RE2 names
@given(
    st.lists(st.sampled_from(_ANCHORED), min_size=1, max_size=4, unique=True),
    st.text("abcBET_q09./x|", max_size=20),
)
def test_what_cannot_match_is_not_asked_and_nothing_else_is_left_out(
    patterns: list[str], rest: str
) -> None:
    found = ExpressionSet(patterns).matching(f"www.{rest}", 4)
    alone = [
        number
        for number, pattern in enumerate(patterns)
        if any(ExpressionSet([pattern]).matching(text, 0) for text in (f"www.{rest}", rest))
    ]
    assert found == alone


def test_hosts_that_no_anchored_expression_can_match_are_asked_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patterns = ExpressionSet(["^[0-9]+/search", "/banner/"])
    asked = []
    matching = expressions._Matcher.matching
    monkeypatch.setattr(
        expressions._Matcher,
        "matching",
        lambda matcher, text: asked.append(text) or matching(matcher, text),
    )
    assert patterns.matching("www.example.com/search", 4) == []
    assert asked == [b"www.example.com/search"]
    assert patterns.matching("www.12/search", 4) == [0]
    assert asked[1:] == [b"www.12/search", b"12/search"]
