"""From the fields of a transaction to its line: nothing raises, nothing is lost or falsified."""

from __future__ import annotations

from enum import Enum, IntEnum, StrEnum
from http import HTTPStatus
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy_addons.accesslog.pipeline import Pipeline
from proxy_addons.accesslog.record import (
    FIELDS,
    LIST_LIMIT,
    NAMES,
    TEXT_LIMIT,
    URL_LIMIT,
    FieldValue,
)
from proxy_addons.accesslog.transaction import Transaction

START = "2026-11-21T20:15:00.250000Z"
TEXTS = [field.name for field in FIELDS if field.type == "string"]
SETTABLE_TEXTS = [name for name in TEXTS if name not in {"event", "id"}]
INTEGERS = ["client_port", "port", "status", "bytes_up", "bytes_down", "server_port"]

lines: list[bytes] = []


def record(**fields: Any) -> dict[str, Any]:
    """The record that one transaction leaves behind, read back from its line."""
    line = line_of(**fields)
    parsed: dict[str, Any] = orjson.loads(line)
    return parsed


def line_of(**fields: Any) -> bytes:
    written: list[bytes] = []
    pipeline = Pipeline(7, 41, written.append)
    transaction = Transaction("7K3M-2Q9X-1C4V", START, 0.0, lambda _: None)
    transaction.set(**fields)
    pipeline.record(transaction.record("transaction"))
    assert len(written) == 1
    assert written[0].endswith(b"\n")
    assert written[0].count(b"\n") == 1
    assert pipeline.last_seq == 42
    return written[0]


# Any text, lone surrogates and all, but no @: what is done about that has its own tests.
any_text = st.text(st.characters(exclude_characters="@"), max_size=60)


@settings(max_examples=150)
@given(st.sampled_from(SETTABLE_TEXTS), any_text)
@example("url", "http://example.com/\u202egnp.exe\x1b[2J\x9b1m\x7f\u2028\ufeff\x00\n\r")
@example("host", "\ud800.example")
@example("person", "O'Brien \U0001f46e\u200d\u2640\ufe0f")
def test_any_text_in_any_field_becomes_one_line_and_comes_back(name: str, text: str) -> None:
    read = record(**{name: text})
    escaped = text.encode("utf-8", "backslashreplace").decode()
    assert read[name] == escaped
    assert read["altered"] == ([f"{name}:escaped"] if escaped != text else [])


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from(SETTABLE_TEXTS), st.text(max_size=300)))
@example({"url": "http://example.com/\x7f"})
@example({"url": "http://example.com/\x9b"})
def test_no_line_holds_a_byte_that_a_terminal_acts_on(fields: dict[str, str]) -> None:
    line = line_of(**fields).decode()
    acting = {c for c in line[:-1] if not c.isprintable() and c in _ACTING}
    assert not acting


_ACTING = (
    {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))}
    | {chr(code) for code in (0x61C, 0xFEFF, *range(0x200B, 0x2010), *range(0x2028, 0x202F))}
    | {chr(code) for code in range(0x2060, 0x2070)}
)


@settings(max_examples=150)
@given(
    st.dictionaries(
        st.sampled_from([name for name in NAMES if name not in {"altered", "schema"}]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=20)
        | st.binary(max_size=20)
        | st.lists(st.text(max_size=5) | st.integers(), max_size=3)
        | st.frozensets(st.text(max_size=5), max_size=3)
        | st.builds(object),
    )
)
def test_whatever_is_put_in_a_field_a_record_of_the_right_types_comes_out(
    fields: dict[str, object],
) -> None:
    read = record(**fields)
    assert list(read) == list(NAMES)
    for field in FIELDS:
        value = read[field.name]
        if value is None:
            assert field.nullable, field.name
            continue
        match field.type:
            case "integer":
                assert type(value) is int
            case "boolean":
                assert type(value) is bool
            case "number":
                assert type(value) in {int, float}
            case "strings":
                assert all(type(member) is str for member in value)
            case _:
                assert type(value) is str
    assert (read["worker"], read["seq"], read["id"]) == (7, 42, "7K3M-2Q9X-1C4V")


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://user:secret@example.com/path", "http://example.com/path"),
        ("https://secret@example.com", "https://example.com"),
        ("http://a:secret@b:secret@example.com/", "http://example.com/"),
        ("http:\\\\user:secret@example.com\\x", "http:\\\\example.com\\x"),
        ("http:/user:secret@example.com/", "http:/example.com/"),
        ("http:user:secret@example.com/", "http:example.com/"),
        ("gopher:\\\\user:secret@example.com/", "gopher:\\\\example.com/"),
        ("//user:secret@example.com/", "//example.com/"),
        ("user:secret@example.com:443", "example.com:443"),
        ("  http://user:secret@example.com/", "  http://example.com/"),
        ("\x00http://user:secret@example.com/", "\x00http://example.com/"),
        ("WSS://user:secret@example.com/", "WSS://example.com/"),
        ("http://user:sec%40ret@[2001:db8::1]:8080/", "http://[2001:db8::1]:8080/"),
        ("http://user:secret@example.com?x=1", "http://example.com?x=1"),
        ("http://user:secret@", "http://"),
        ("http://user:\n secret@example.com/", "http://example.com/"),
    ],
)
def test_user_name_and_password_are_removed_from_urls(url: str, kept: str) -> None:
    read = record(url=url, host=url)
    assert read["url"] == kept
    assert read["host"] == kept
    assert read["altered"] == ["url:userinfo", "host:userinfo"]


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/@alice",
        "https://example.com/a/b@c/d",
        "https://example.com?mail=alice@example.org",
        "https://example.com#alice@example.org",
        "https://example.com:8443/",
        "/path@here",
        "example.com:443",
    ],
)
def test_an_at_sign_that_is_no_password_stays(url: str) -> None:
    read = record(url=url)
    assert read["url"] == url
    assert read["altered"] == []


@settings(max_examples=150)
@given(
    st.sampled_from(["http://", "https://", "ws:", "//", "", "ftp://", "\thttps:\\\\"]),
    st.text(max_size=20),
    st.sampled_from(["", "/", "?q", "#f", "/a@b"]),
)
def test_no_password_survives_in_any_authority(scheme: str, user: str, rest: str) -> None:
    for char in "/\\?#":
        user = user.replace(char, "_")
    read = record(url=f"{scheme}{user}:hunter2@example.com{rest}")
    assert "hunter2" not in read["url"]
    assert read["url"].endswith(f"example.com{rest}")


def test_an_exception_text_with_a_url_in_it_gives_no_password_away() -> None:
    text = "cannot reach http://proxy:hunter2@192.0.2.1:3128 or //a:hunter2@b"
    read = record(error=text, reason=text)
    kept = "cannot reach http://192.0.2.1:3128 or //b"
    assert (read["error"], read["reason"]) == (kept, kept)
    assert read["altered"] == ["error:userinfo", "reason:userinfo"]


@pytest.mark.parametrize("extra", [-1, 0, 1, 70_000])
def test_long_texts_are_cut_and_it_says_so(extra: int) -> None:
    url = "http://example.com/".ljust(URL_LIMIT + extra, "a")
    kind = "x".ljust(TEXT_LIMIT + extra, "\N{SNOWMAN}")
    read = record(url=url, content_type=kind)
    assert read["url"] == url[:URL_LIMIT]
    assert read["content_type"] == kind[:TEXT_LIMIT]
    expected = [f"url:cut:{len(url)}", f"content_type:cut:{len(kind)}"] if extra > 0 else []
    assert read["altered"] == expected


def test_the_longest_line_is_bounded() -> None:
    fields: dict[str, FieldValue] = dict.fromkeys(SETTABLE_TEXTS, "\x1b" * 100_000)
    line = line_of(**fields, categories=["\x1b" * 100_000] * 1000)
    assert len(line) < 1 << 20  # the rescue of a removed segment counts on it


def test_lists_are_bounded() -> None:
    read = record(categories=[f"c{n}" for n in range(LIST_LIMIT + 1)])
    assert read["categories"] == [f"c{n}" for n in range(LIST_LIMIT)]
    assert read["altered"] == [f"categories:cut:{LIST_LIMIT + 1}"]
    long = record(categories=["c", "d" * (TEXT_LIMIT + 1)])
    assert long["categories"] == ["c", "d" * TEXT_LIMIT]
    assert long["altered"] == [f"categories:cut:{TEXT_LIMIT + 1}"]


def test_members_of_a_list_are_looked_at_each_time() -> None:
    assert record(categories=["a"])["altered"] == []
    read = record(categories=["a", 1, None])
    assert read["categories"] == ["a", "1", "None"]
    assert read["altered"] == ["categories:type"]


def test_a_set_comes_out_in_order() -> None:
    assert record(categories={"c", "a", "b"})["categories"] == ["a", "b", "c"]


def test_bytes_are_taken_as_text_and_what_is_not_utf8_is_spelled_out() -> None:
    read = record(host=b"caf\xc3\xa9.example", sni=b"caf\xe9.example")
    assert read["host"] == "café.example"
    assert read["sni"] == "caf\\xe9.example"
    assert read["altered"] == ["sni:escaped"]


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Other(Enum):
    ONE = object()


def test_members_of_enumerations_are_their_values() -> None:
    read = record(action=Colour.RED, status=HTTPStatus.FORBIDDEN, port=Level.HIGH)
    assert (read["action"], read["status"], read["port"]) == ("red", 403, 3)
    assert read["altered"] == []


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("value", [True, "200", 1.5, 1 << 63, -(1 << 70), [1], Other.ONE])
def test_a_value_of_the_wrong_type_is_left_out_and_noted(name: str, value: object) -> None:
    read = record(error="reset by peer", **{name: value})
    assert read[name] is None
    assert read["altered"] == [f"{name}:type"]
    assert read["error"].startswith(f"reset by peer; access log: {name} left out")


def test_a_field_of_another_name_is_noted_and_nothing_raises() -> None:
    read = record(colour="red", id="forged", start="forged", method="GET")
    assert read["method"] == "GET"
    assert (read["id"], read["start"]) == ("7K3M-2Q9X-1C4V", START)
    assert all(f"'{name}'" in read["error"] for name in ("colour", "id", "start"))


class Hostile(str):
    """A text that raises wherever it is looked at."""

    __slots__ = ()

    def __contains__(self, _key: str) -> bool:
        raise RuntimeError("hunter2")


def test_a_record_that_cannot_be_rendered_leaves_a_record_all_the_same() -> None:
    read = record(url=Hostile("http://user:hunter2@example.com/"), method="GET")
    assert list(read) == list(NAMES)
    assert (read["id"], read["worker"], read["seq"]) == ("7K3M-2Q9X-1C4V", 7, 42)
    assert read["error"] == "access log: the record could not be rendered (RuntimeError)"
    assert read["altered"] == ["record:lost"]
    assert read["url"] is None


def test_numbers_go_on_without_a_gap_over_a_record_that_cannot_be_rendered() -> None:
    written: list[bytes] = []
    pipeline = Pipeline(1, 0, written.append)
    for url in ("http://a/", Hostile("http://b@/"), "http://c/"):
        transaction = Transaction("7K3M-2Q9X-1C4V", START, 0.0, lambda _: None)
        transaction.url = url
        pipeline.record(transaction.record("transaction"))
    assert [orjson.loads(line)["seq"] for line in written] == [1, 2, 3]


def test_a_plain_record_is_written_as_it_is() -> None:
    fields: dict[str, Any] = {
        "person": "AB1234",
        "client_ip": "2001:db8::7",
        "client_port": 50123,
        "method": "GET",
        "url": "https://www.example.co.uk/caf%C3%A9?q=a+b",
        "categories": ("shopping", "food"),
        "status": 200,
        "bytes_down": 1 << 40,
    }
    read = record(**fields)
    assert {name: read[name] for name in fields} == fields | {"categories": ["shopping", "food"]}
    assert read["altered"] == []
    assert read["schema"] == 1
