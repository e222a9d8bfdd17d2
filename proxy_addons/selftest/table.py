"""The table of evasions, read strictly.

In: YAML (`tests/cases/evasions.yaml`, whose head explains it; a wheel carries a copy beside this
file). Out: frozen rows. Must never: pass over a key that it does not know, or a row without a
verdict: a row that tests nothing would look like one that holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from proxy_addons.selftest.answers import AnswerError, answer_of
from proxy_addons.selftest.hello import Hello

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from proxy_addons.selftest.http2 import Head

FILE = "evasions.yaml"
WANTS = ("refused", "closed", "passed", "cut", "withheld")
NEEDS = ("origin", "origin-tls", "resolver", "bank", "people")
_LEFT = re.compile(r"\{[a-z][a-z._-]*\}")
_STATUSES = (400, 403)  # of a refusal, where a row names none


class TableError(ValueError):
    """The table cannot be used; the text names the row and the key."""


@dataclass(frozen=True, slots=True)
class Row:
    """One evasion: what is sent, and what must be observed. tests/cases/evasions.yaml explains it.

    Attributes:
        group, name: what it is called; names are unique.
        why: what an attacker hopes for, where the name does not say it.
        source: the local address that it comes from, or "".
        prelude: a request in the clear that goes before, from an address of its own.
        tunnel: the authority of a CONNECT; "" for none.
        connect: a whole head of CONNECT, where that of `tunnel` is not wanted.
        tls: the ClientHello inside the tunnel; None for none.
        data: what is sent, by HTTP/1 or raw.
        pieces: bytes in each packet of `data`; 0 for as much as fits.
        half: say that no more will come, when all has been sent.
        h2: heads and bodies of requests by HTTP/2.
        after: a handshake message after the handshake (1: another ClientHello), or 0.
        answer: what the origin answers to each request; None for a short text.
        want: what may be observed: any of WANTS.
        passed: how many answers of the origin come before that.
        status: what a refusal may have as its status.
        rules: one of these is in the record, where any is named.
        gets: expressions, each of which must be found in what the origin got.
        never: expressions of which none may be found there.
        mentions: whether the refused name may reach the origin (in a body, say).
        needs: what it cannot be run without: any of NEEDS, or http2.
        hole: why this one is known not to hold; "" where it holds.
        lane: the lane for which that is so; "" for all.
    """

    group: str
    name: str
    why: str = ""
    source: str = ""
    prelude: tuple[str, str] | None = None
    tunnel: str = ""
    connect: str = ""
    tls: Hello | None = None
    data: str = ""
    pieces: int = 0
    half: bool = False
    h2: tuple[tuple[Head, str | None], ...] = ()
    after: int = 0
    answer: bytes | None = None
    want: tuple[str, ...] = ()
    passed: int = 0
    status: tuple[int, ...] = _STATUSES
    rules: tuple[str, ...] = ()
    gets: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    mentions: bool = False
    needs: frozenset[str] = field(default_factory=frozenset)
    hole: str = ""
    lane: str = ""

    @property
    def names(self) -> list[str]:
        """The placeholders in it that name something."""
        texts = [self.tunnel, self.connect, self.data, *(self.tls.names if self.tls else ())]
        for head, body in self.h2:
            texts += [body or "", *(value for _, value in head)]
        return list(dict.fromkeys(each[1:-1] for text in texts for each in _LEFT.findall(text)))

    @property
    def closes(self) -> bool:
        """Whether nothing but the end of the connection is expected."""
        return not set(self.want) - {"closed", "cut"}

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods of its requests by HTTP/1, as far as an answer's form depends on them."""
        first = self.data.partition(" ")[0]
        return (first,) if first in {"HEAD", "CONNECT"} else ()


_KEYS = {each.name for each in fields(Row)} - {"group", "data"} | {
    *("line", "fields", "body", "raw", "clear", "sni", "keep")
}
_HELLO_KEYS = {each.name for each in fields(Hello)}


class _Strict(yaml.SafeLoader):
    """Plain values; a key given twice is an error, not the last of the two."""


def _mapping(loader: _Strict, node: yaml.MappingNode) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in made:
            msg = f"line {key_node.start_mark.line + 1}: {key!r} is given twice"
            raise TableError(msg)
        made[key] = loader.construct_object(value_node, deep=True)
    return made


_Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def find() -> Path:
    """Where the table is: beside this file in an installed package, else in the checkout."""
    installed = Path(__file__).with_name(FILE)
    return installed if installed.exists() else Path(__file__).parents[2] / "tests/cases" / FILE


def read(text: str) -> tuple[Row, ...]:
    """Read the table.

    Raises:
        TableError: it is not what its head says.
    """
    try:
        groups = yaml.load(text, _Strict)  # noqa: S506 - a loader of plain values
    except yaml.YAMLError as problem:
        # The table is as good as missing: nothing is run.
        raise TableError(f"the table: {problem}") from problem
    if not isinstance(groups, dict):
        raise TableError("the table: wanted groups of rows")
    rows = tuple(row for group, raw in groups.items() for row in _group(str(group), raw))
    names = [row.name for row in rows]
    for name in names:
        if names.count(name) > 1:
            raise TableError(f"{name!r}: two rows have this name")
    return rows


def filled(text: str, names: Mapping[str, str]) -> str:
    """A text with `{names}` in it, filled in. Bytes are written as Latin-1.

    Raises:
        TableError: it has a name that is not known.
    """
    if "{" not in text:
        return text
    for name, value in names.items():
        text = text.replace("{" + name + "}", value)
    if left := _LEFT.search(text):
        raise TableError(f"the table: {left[0]} is no name")
    return text


def spellings(names: Mapping[str, str]) -> dict[str, str]:
    """The names with further spellings of each host among them."""
    made = dict(names) | {
        "long": "x" * 300_000,
        "many": "".join(f"X-{number}: 1\r\n" for number in range(1000)),
        "path": "a" * 70_000,
    }
    for name in ("blocked", "allowed"):
        host = names[name]
        made |= {
            f"{name}.upper": host.upper(),
            f"{name}.mixed": "".join(
                each.upper() if place % 2 else each for place, each in enumerate(host)
            ),
            f"{name}.percent": "".join(f"%{ord(each):02x}" for each in host),
            f"{name}.twice": "".join(f"%25{ord(each):02x}" for each in host),
            f"{name}.dots": host.replace(".", "%2E"),
            f"{name}.full-stops": host.replace(".", "\u3002").encode().decode("latin-1"),
            f"{name}.wide": "".join(
                chr(ord(each) + 0xFEE0) if each.isalnum() else each for each in host
            )
            .encode()
            .decode("latin-1"),
            f"{name}.hyphens": host.replace("-", "--").replace(".", "-"),
            f"{name}.soft": (host[:2] + "\u00ad" + host[2:]).encode().decode("latin-1"),
        }
    return made


# --- reading --------------------------------------------------------------------------------------


def _group(group: str, raw: object) -> Iterator[Row]:
    if not isinstance(raw, list) or not raw:
        raise TableError(f"{group}: wanted a list of rows")
    for each in raw:
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            raise TableError(f"{group}: wanted rows, each with a name")
        yield _row(group, each)


def _row(group: str, raw: dict[str, Any]) -> Row:
    name = raw["name"]
    unknown = raw.keys() - _KEYS
    if unknown:
        raise TableError(f"{name!r}: unknown key {min(unknown)!r}")
    want = _texts(raw.get("want"), name, "want")
    if not want or set(want) - set(WANTS):
        raise TableError(f"{name!r}: want: wanted one or more of {', '.join(WANTS)}")
    tunnelled = "tunnel" in raw or "connect" in raw
    tls = _hello(raw, name) if tunnelled and "clear" not in raw else None
    h2 = _heads(raw.get("h2"), name)
    data = _data(raw)
    if not data and not h2 and tls is None and "connect" not in raw and "tunnel" not in raw:
        raise TableError(f"{name!r}: nothing is sent")
    passed = int(raw.get("passed", 1 if "passed" in want else 0))
    needs = set(_texts(raw.get("needs", ()), name, "needs"))
    if needs - set(NEEDS):
        raise TableError(f"{name!r}: needs: wanted some of {', '.join(NEEDS)}")
    if "passed" in want and not (raw.get("gets") or raw.get("never")):
        raise TableError(f"{name!r}: passed: say what the origin must get, or must not")
    if "withheld" in want and not (raw.get("answer") and set(want) == {"withheld"}):
        raise TableError(f"{name!r}: withheld: stands alone, and says what is answered")
    if passed or not {"cut", "withheld"}.isdisjoint(want):
        needs.add("origin-tls" if tls is not None else "origin")
    if h2:
        needs.add("http2")
    return Row(
        group=group,
        name=name,
        why=str(raw.get("why", "")),
        source=str(raw.get("source", "")),
        prelude=tuple(raw["prelude"]) if "prelude" in raw else None,
        tunnel=str(raw.get("tunnel", "")),
        connect=str(raw.get("connect", "")),
        tls=tls,
        data=data,
        pieces=int(raw.get("pieces", 0)),
        half=bool(raw.get("half", False)),
        h2=h2,
        after=int(raw.get("after", 0)),
        answer=_answer(raw.get("answer"), name),
        want=want,
        passed=passed,
        status=tuple(raw.get("status", _STATUSES)),
        rules=_texts(raw.get("rules", ()), name, "rules"),
        gets=_texts(raw.get("gets", ()), name, "gets"),
        never=_texts(raw.get("never", ()), name, "never"),
        mentions=bool(raw.get("mentions", False)),
        needs=frozenset(needs),
        hole=str(raw.get("hole", "")),
        lane=str(raw.get("lane", "")),
    )


def _texts(raw: object, name: str, key: str) -> tuple[str, ...]:
    if isinstance(raw, str):
        return (raw,)
    if not isinstance(raw, list | tuple) or not all(isinstance(each, str) for each in raw):
        raise TableError(f"{name!r}: {key}: wanted a text or a list of texts")
    return tuple(raw)


def _answer(raw: object, name: str) -> bytes | None:
    try:
        return None if raw is None else answer_of(raw)
    except AnswerError as problem:
        raise TableError(f"{name!r}: answer: {problem}") from problem


def _hello(raw: dict[str, Any], name: str) -> Hello | None:
    """The ClientHello: by default for the host of the tunnel."""
    said = raw.get("tls", {})
    if said is False:
        return None
    if not isinstance(said, dict) or said.keys() - _HELLO_KEYS:
        raise TableError(f"{name!r}: tls: wanted keys of {', '.join(sorted(_HELLO_KEYS))}")
    sni = raw.get("sni", str(raw.get("tunnel", "")).rpartition(":")[0])
    said = {"names": (sni,) if sni else (), **said}
    if raw.get("h2"):
        said = {"alpn": ("h2",), **said}
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in said.items()
    }
    return Hello(**values)


def _heads(raw: object, name: str) -> tuple[tuple[Head, str | None], ...]:
    if raw is None:
        return ()
    if not isinstance(raw, list):
        raise TableError(f"{name!r}: h2: wanted a list of requests")
    found = []
    for request in raw:
        if not isinstance(request, dict) or request.keys() - {"head", "body"}:
            raise TableError(f"{name!r}: h2: wanted requests with head and body")
        head = tuple((str(field_name), str(value)) for field_name, value in request["head"])
        found.append((head, request.get("body", "")))
    return tuple(found)


def _data(raw: dict[str, Any]) -> str:
    """The bytes to send, as text: `raw`, `clear`, or a request by line, fields and body."""
    for key in ("raw", "clear"):
        if key in raw:
            return str(raw[key])
    if "line" not in raw:
        return ""
    lines = [raw["line"], *raw.get("fields", ())]
    if not raw.get("keep"):
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]) + str(raw.get("body", ""))
