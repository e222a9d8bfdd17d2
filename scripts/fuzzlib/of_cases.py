"""Target: the cases of a policy, and the people behind Squid.

They are cases, or people, or problems that name file, line and key; a case that is read can be
carried out, and says why where it cannot.

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
from proxy_addons.gate.redirector.callers import Callers, read_people
from proxy_addons.identity.addresses import AddressMap
from proxy_addons.settings.load import load
from proxy_addons.settings.problems import Report, SettingsError

if TYPE_CHECKING:
    from datetime import date, datetime

    from proxy_addons.settings.model import Settings
    from proxy_addons.settings.problems import Problem

_CONFIG = Path(__file__).parents[2] / "config"
_CASES = _CONFIG / "policy_tests.yaml"
_PLACE = re.compile(r".*(cases|people)\.yaml(:\d+)?")
_PIECE = 4000  # octets of the default file: small enough that a change matters
_PEOPLE = b"""version: 1
people:
  - {names: [ann@example.test, "O'Neil"], profile: standard}
  - {networks: [192.0.2.0/24, "2001:db8::/32"], profile: unrestricted}
  - {names: bob, networks: 10.0.0.1-10.0.0.9, profile: standard}
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
    settings = _settings(None)
    path = folder() / ("people.yaml" if data[0] % 2 else "cases.yaml")
    path.write_bytes(data[1:])
    if data[0] % 2:
        try:
            entries = read_people(path, settings.policy)
        except SettingsError as error:
            _sound(error.problems)
            return
        nobody = AddressMap((), settings.policy.strictest_profile)
        callers = Callers(entries, nobody, settings.policy)
        for client in ("192.0.2.1", "2001:db8::1", "10.0.0.5", "nonsense"):
            for name in (None, "ann@example.test"):
                assert callers.person(client, name).profile in settings.policy.profiles
        return
    report = Report()
    cases = cases_of(path, settings.policy, report)
    if report.problems:
        _sound(report.problems)
        return
    carried_out = list(tested(cases, _around, None))
    assert len(carried_out) == len(cases)
    for each in carried_out:
        assert each.met or each.not_run or each.differs
        assert each.case.title.isprintable(), "a title that a terminal would obey"


def _around(moment: datetime) -> Settings:
    return _settings(moment.date())


@cache
def _settings(today: date | None) -> Settings:
    return load(_CONFIG, environ={}, today=today)


def _sound(problems: list[Problem] | tuple[Problem, ...]) -> None:
    assert problems, "an error without a problem"
    for problem in problems:
        assert _PLACE.fullmatch(problem.place), problem.place
        assert problem.message
        assert all(line.isprintable() for line in str(problem).split("\n")), (
            "a message that a terminal would obey"
        )
