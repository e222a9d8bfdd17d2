"""Target: the cases of a policy; the people behind Squid, and where rules lead there.

They are that, or problems that name file, line and key; a case that is read can be carried out, and
says why where it cannot.

In: a byte that chooses the file, then the file. Out: nothing, or a finding.
Must never: read a file that was not written here, or look at any list.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from fuzzlib.of_settings import words as settings_words
from fuzzlib.place import folder
from proxy_addons.cli.tested import cases_of, tested
from proxy_addons.gate.redirector.answers import Refused
from proxy_addons.gate.redirector.callers import Callers, read_people
from proxy_addons.gate.redirector.redirects import read_redirects
from proxy_addons.identity.addresses import AddressMap
from proxy_addons.settings.load import load
from proxy_addons.settings.problems import Report, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date, datetime

    from proxy_addons.policy.compiled import Policy
    from proxy_addons.settings.model import Settings
    from proxy_addons.settings.problems import Problem

_CONFIG = Path(__file__).parents[2] / "config"
_CASES = _CONFIG / "policy_tests.yaml"
_PLACE = re.compile(r".*(cases|people|redirects)\.yaml(:\d+)?")
_ADDRESS = re.compile(r'https?://[^\s"]+', re.ASCII)
_PIECE = 4000  # octets of the default file: small enough that a change matters
_PEOPLE = b"""version: 1
people:
  - {names: [ann@example.test, "O'Neil"], profile: standard}
  - {networks: [192.0.2.0/24, "2001:db8::/32"], profile: unrestricted}
  - {names: bob, networks: 10.0.0.1-10.0.0.9, profile: standard}
"""
_REDIRECTS = b"""version: 1
redirects:
  - {rules: [webmail, bad-request], to: "302:http://blocked.example/?c=%t&u=%u"}
  - {rules: games, to: http://blank.example/1x1.gif}
"""


def seeds() -> list[bytes]:
    """The default cases, whole and in pieces, and some people."""
    bare = re.sub(rb"(?m)^\s*#.*\n", b"", _CASES.read_bytes())
    head, _, cases = bare.partition(b"cases:\n")
    lines = cases.splitlines(keepends=True)
    pieces, piece = [], b""
    for line in lines:
        piece += line
        if len(piece) > _PIECE:
            pieces.append(piece)
            piece = b""
    return [
        b"\1" + _PEOPLE,
        b"\2" + _REDIRECTS,
        *(b"\0" + head + b"cases:\n" + each for each in (*pieces[:6], pieces[-1], piece, cases)),
    ]


def words() -> list[bytes]:
    """What YAML is made of, and keys of these files."""
    return [
        *settings_words(),
        *(b"want", b"allow everything-else", b"block", b"at", b"then", b"url", b"host", b"found"),
        *(b"retry_at", b"states", b"inspect", b"never", b"groups", b"client", b"body_size"),
        *(b"names", b"networks", b"profile", b"standard", b"people", b"categories", b"clause"),
        *(b'"2026-03-29T01:30"', b'"2026-10-25T01:30"', b'"9999-12-31T23:59"', b'"0001-01-01"'),
        *(b"https://example.com:99999/", b"http://[::1]/%", b"xn--a.example", b"10.0.0.0/8"),
    ]


def check(data: bytes) -> None:
    """What the file says, or problems that say where."""
    if not data:
        return
    policy = _settings(None).policy
    name, each = _FILES[data[0] % len(_FILES)]
    path = folder() / name
    path.write_bytes(data[1:])
    try:
        each(path, policy)
    except SettingsError as error:
        _sound(error.problems)


def _cases(path: Path, policy: Policy) -> None:
    report = Report()
    cases = cases_of(path, policy, report)
    report.raise_if_any()
    carried_out = list(tested(cases, _around, None))
    assert len(carried_out) == len(cases)
    for each in carried_out:
        assert each.met or each.not_run or each.differs
        assert each.case.title.isprintable(), "a title that a terminal would obey"


def _people(path: Path, policy: Policy) -> None:
    entries = read_people(path, policy)
    callers = Callers(entries, AddressMap((), policy.strictest_profile), policy)
    for client in ("192.0.2.1", "2001:db8::1", "10.0.0.5", "nonsense"):
        for name in (None, "ann@example.test"):
            assert callers.person(client, name).profile in policy.profiles


def _redirects(path: Path, policy: Policy) -> None:
    for redirect in read_redirects(path, policy).values():
        assert _ADDRESS.fullmatch(redirect.address(None, Refused("x")))


_FILES: tuple[tuple[str, Callable[[Path, Policy], None]], ...] = (
    ("cases.yaml", _cases),
    ("people.yaml", _people),
    ("redirects.yaml", _redirects),
)


def _around(moment: datetime) -> Settings:
    return _settings(moment.date())


@cache
def _settings(today: date | None) -> Settings:
    return load(_CONFIG, environ={}, today=today)


def _sound(problems: Sequence[Problem]) -> None:
    assert problems, "an error without a problem"
    for problem in problems:
        assert _PLACE.fullmatch(problem.place), problem.place
        assert problem.message
        assert all(line.isprintable() for line in str(problem).split("\n")), (
            "a message that a terminal would obey"
        )
