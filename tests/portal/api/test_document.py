"""The table of routes, the document, the server and docs/api.md say the same."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from proxy_addons.accesslog.record import FIELDS
from proxy_addons.portal.api import shapes
from proxy_addons.portal.api.document import document
from proxy_addons.portal.api.problems import KINDS, REFUSALS, ProblemError
from proxy_addons.portal.api.routes import BASE, ROUTES
from proxy_addons.portal.api.serving import Serving

DOCUMENT = json.loads(document())
TEXT = (Path(__file__).parents[3] / "docs/api.md").read_text("utf-8")


def test_every_route_is_in_the_document_and_no_other() -> None:
    assert set(DOCUMENT["paths"]) == {BASE + route.path for route in ROUTES}
    for route in ROUTES:
        operation = DOCUMENT["paths"][BASE + route.path]["get"]
        assert operation["operationId"] == route.operation
        assert bool(operation["security"]) is bool(route.roles)
        names = {each["name"] for each in operation["parameters"]}
        assert names == {each.name for each in msgspec.structs.fields(route.query)}
        told = {int(status) for status in operation["responses"]}
        assert told >= {200, 400, 403, 500, *({401, 429, 503} if route.roles else ())}


def test_every_route_is_served() -> None:
    for route in ROUTES:
        assert callable(getattr(Serving, route.operation))
    served = {
        each.path
        for each in Serving.routes(_unopened())
        if isinstance(each, web.RouteDef) and each.method == "GET"
    }
    assert served == {BASE + route.path for route in ROUTES}


def _unopened() -> Serving:
    return Serving.__new__(Serving)


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(DOCUMENT)
    for part in text.split('"$ref": "')[1:]:
        name = part.partition('"')[0].removeprefix("#/components/schemas/")
        assert name in DOCUMENT["components"]["schemas"], name


def test_a_record_in_the_document_is_the_record_of_the_log() -> None:
    found = DOCUMENT["components"]["schemas"]["Record"]
    names = ["segment", "line", "masked", *(field.name for field in FIELDS)]
    assert list(found["properties"]) == names
    assert sorted(found["required"]) == sorted(names)


def test_every_kind_of_problem_can_be_met_and_is_documented() -> None:
    told = json.dumps(DOCUMENT["paths"])
    for name, kind in KINDS.items():
        assert f"`{name}`" in TEXT
        if name not in {"method", "stale"}:  # no operation of the document's; steps alone
            assert f"{name}: {kind.title}" in told
    assert set(REFUSALS.values()) <= set(KINDS)


def test_the_text_names_every_route_and_parameter() -> None:
    for route in ROUTES:
        assert f"`{BASE}{route.path}`" in TEXT
        for each in msgspec.structs.fields(route.query):
            assert f"`{each.name}`" in TEXT, each.name


QUERIES = [route.query for route in ROUTES]
NAMES = sorted({each.name for query in QUERIES for each in msgspec.structs.fields(query)})


@given(
    st.sampled_from(QUERIES),
    st.lists(st.tuples(st.sampled_from([*NAMES, "nothing"]), st.text(max_size=30)), max_size=6),
)
def test_a_query_is_read_or_refused_and_never_quoted(
    wanted: type[shapes.Query], given_: list[tuple[str, str]]
) -> None:
    found = _read(wanted, given_)
    if isinstance(found, ProblemError):
        assert found.kind in {"wrong-query", "wrong-range"}
        assert "\x00" not in found.detail
        return
    assert len(dict(given_)) == len(given_)
    for name, text in given_:
        assert str(getattr(found, name)) == text or name in {"since", "until", "limit"}


def _read(wanted: type[shapes.Query], given_: list[tuple[str, str]]) -> shapes.Query | ProblemError:
    try:
        return shapes.read(wanted, MultiDict(given_))
    except ProblemError as problem:
        return problem


@pytest.mark.parametrize("limit", ["0", "-1", "01e2", "1001", "9" * 30, "٣", " 5", "5.0", "x"])
def test_limits_that_are_none(limit: str) -> None:
    query = MultiDict({"authorisation": "AU-1", "limit": limit})
    with pytest.raises(ProblemError, match="limit"):
        shapes.read(shapes.Records, query)
