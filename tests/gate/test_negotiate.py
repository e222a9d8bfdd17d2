"""Which form of answer each client gets."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy_addons.gate.negotiate import Form, form_for

# No deadline: a slow machine is no fault of the code.
SOME = settings(max_examples=100, deadline=None)

CASES = yaml.safe_load(
    (Path(__file__).parents[1] / "cases" / "answer_forms.yaml").read_text("utf-8")
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["who"])
def test_the_client_gets_the_form_it_can_use(case: dict[str, str]) -> None:
    form = form_for(case.get("accept", ""), case.get("dest", ""), case.get("url", ""))
    assert form == Form(case["form"])


@SOME
@given(
    st.text(st.sampled_from("*/;,=q01.9 \x00é") | st.characters(), max_size=80),
    st.text(max_size=20),
)
def test_any_header_gives_a_form(accept: str, dest: str) -> None:
    assert form_for(accept, dest) in Form


def test_a_header_beyond_the_limit_is_not_read() -> None:
    assert form_for("x/y," * 2_000 + "application/json") is Form.HTML


@SOME
@given(st.integers(0, 1000), st.integers(0, 1000))
def test_the_higher_quality_wins(json: int, html: int) -> None:
    accept = f"application/json;q={json / 1000:.3f}, text/html;q={html / 1000:.3f}"
    expected = Form.JSON if json > html else Form.HTML
    assert form_for(accept) is expected
