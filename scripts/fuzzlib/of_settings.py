"""Target: the two configuration files, and a pack of rules.

They are settings, or a SettingsError whose every problem names file, line and key.

In: a byte that chooses the file, then the file; the other is the default one.
Out: nothing, or a finding. Must never: read a file that is not of the configuration.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from fuzzlib.place import folder
from proxy_addons.settings.load import SettingsError, examine

_CONFIG = Path(__file__).parents[2] / "config"
_FILES = ("watchhouse.yaml", "policy.yaml")
_PLACE = re.compile(r"(.*/)?(watchhouse|policy|packs/fuzzed)\.yaml(:\d+)?")
_PACK = 2  # in place of a file's number
_TODAY = date(2026, 8, 18)
_PIECE = 1500  # octets of a default file: small enough that a change matters

_WITH_PACK = """
rules:
  - pack: fuzzed
    with: {tenants: [a.example, b.example], contracted: c.example, profiles: standard}
"""
_SMALL = b"""version: 1
profiles: {standard: {strictest: true}}
time_spaces: {breaks: {timezone: Europe/London, ranges: ["12:00-14:00", "22:00-02:00"]}}
rules:
  - id: webmail
    clause: Inf/27 2.10.1
    reason: No webmail.
    action: block
    when: {categories: [webmail], time: breaks, methods: [GET], hosts: [example.com]}
"""


def seeds() -> list[bytes]:
    """The default files, in pieces and whole, and a small policy."""
    found = [b"\1" + _SMALL]
    for place, name in enumerate(_FILES):
        whole = (_CONFIG / name).read_bytes()
        bare = re.sub(rb"(?m)^\s*#.*\n|\s+#.*$", b"", whole)
        found += [bytes((place,)) + bare, bytes((place,)) + bare[:_PIECE]]
    for pack in sorted((_CONFIG / "packs").glob("*.yaml")):
        found.append(bytes((_PACK,)) + re.sub(rb"(?m)^\s*#.*\n", b"", pack.read_bytes()))
    return found


def words() -> list[bytes]:
    """What YAML and our keys are made of."""
    return [
        *(
            b"\n",
            b"  ",
            b"- ",
            b": ",
            b"{",
            b"}",
            b"[",
            b"]",
            b"&a ",
            b"*a",
            b"!!python/name:os.x ",
        ),
        *(b"<<: ", b"|", b">", b"'", b'"', b"%YAML 1.1\n", b"---\n", b"...", b"\t", b"\0", b"\xff"),
        *(
            b"null",
            b"true",
            b"no",
            b"1e400",
            b"0x10",
            b"0o17",
            b".inf",
            b".nan",
            b"1_000",
            b"12:30:45",
        ),
        *(
            b"2026-02-30",
            b"99999999999999999999",
            b"-1",
            b"=",
            b"? ",
            b"!!set ",
            b"!!binary ",
            b"\\x",
        ),
        *(
            b"rules",
            b"parameters",
            b"{tenants}",
            b"- pack: fuzzed",
            b"when",
            b"ranges",
            b"listen",
            b"network",
            b"127.0.0.1:0",
            b"10.0.0.0/8",
            b"::1",
        ),
        *(
            b'"\\ud800"',
            b"\xef\xbb\xbf",
            b"\xe2\x80\xa8",
            b"\xc2\x85",
            b"Europe/London",
            b"24:00-00:00",
        ),
    ]


def check(data: bytes) -> None:
    """Settings, or problems that say where."""
    if not data:
        return
    place = folder() / "config"
    place.mkdir(exist_ok=True)
    (place / "packs").mkdir(exist_ok=True)
    mine = "" if data[0] == _PACK else _FILES[data[0] % len(_FILES)]
    for name in _FILES:
        content = data[1:] if name == mine else (_CONFIG / name).read_bytes()
        (place / name).write_bytes(content)
    if not mine:
        (place / "packs/fuzzed.yaml").write_bytes(data[1:])
        policy = (_CONFIG / "policy.yaml").read_text()
        (place / "policy.yaml").write_text(policy.replace("\nrules:\n", _WITH_PACK, 1))
    try:
        examined = examine(place, environ={}, today=_TODAY)
    except SettingsError as error:
        problems = error.problems
        if not problems:
            raise AssertionError("an error without a problem") from error
    else:
        problems = examined.warnings
    for problem in problems:
        assert _PLACE.fullmatch(problem.place) or problem.place == "default", problem.place
        assert problem.message
        assert all(line.isprintable() for line in str(problem).split("\n")), (
            "a message that a terminal would obey"
        )
