"""squidGuard itself and `watchhouse decide`, asked the same lines (scripts/agree, without Squid).

In: lists of the test's own. Out: passes where every difference has a reason that can be shown.
The whole thing, of 300,000 lines of UT1's lists, is scripts/agree.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy_addons.categorisation import CategoryIndex
from proxy_addons.cli.import_squidguard import convert
from proxy_addons.gate.redirector.answers import redirect_of
from proxy_addons.gate.redirector.callers import Callers, read_people
from proxy_addons.gate.redirector.desk import Basis, Desk
from proxy_addons.gate.redirector.redirects import read_redirects
from proxy_addons.identity.addresses import AddressMap
from proxy_addons.settings.load import load

if TYPE_CHECKING:
    from collections.abc import Callable

_SIDES = ("squidGuard", "ours")
SCRIPTS = str(Path(__file__).resolve().parents[1] / "scripts")
SQUIDGUARD = Path("/usr/bin/squidGuard")
# scripts/test installs it; not as root it cannot, and the reason is shown.
pytestmark = pytest.mark.skipif(
    not SQUIDGUARD.exists(), reason="needs squidGuard (Debian: squidguard)"
)
LINES = 2_000
WORDS = ("north", "river", "garden", "stone", "paper", "cloud", "maple", "harbour", "field", "lamp")
BEFORE = ("", "www.", "ftp3.")
ENDS = ("example", "test", "co.test", "web.test")


def write_lists(folder: Path) -> None:
    """Names, URLs and expressions in twelve categories, near to each other."""
    chance = Random(8)
    for number in range(12):
        category = folder / f"cat_{number}"
        category.mkdir(parents=True)
        names = {
            f"{chance.choice(BEFORE)}{chance.choice(WORDS)}{chance.randrange(40)}.{end}"
            for end in ENDS
            for _ in range(12)
        }
        urls = {
            f"{chance.choice(WORDS)}{chance.randrange(40)}.example/{chance.choice(WORDS)}"
            f"{chance.choice(('', '/', '/x', '.php?a=b'))}"
            for _ in range(20)
        }
        (category / "domains").write_text("\n".join([*sorted(names), f"192.0.2.{number}", ""]))
        (category / "urls").write_text("\n".join([*sorted(urls), ""]))
        if number % 4 == 0:
            (category / "expressions").write_text(f"(^|[./-])casino{number}[^a-z]\nslots?[0-9]+\n")


@pytest.fixture
def agreelib(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Gives the modules of scripts/agree, which are no package of ours."""
    monkeypatch.setattr(sys, "path", [SCRIPTS, *sys.path])
    # What is started has the modules that this process has.
    monkeypatch.setenv("PYTHONPATH", str(Path(SCRIPTS).parent))
    return lambda name: importlib.import_module(f"agreelib.{name}")


def test_both_agree_or_it_is_known_why(tmp_path: Path, agreelib: Callable[[str], Any]) -> None:
    none = agreelib("reasons").NONE
    write_lists(tmp_path / "lists")
    times = ["2026-11-24T10:30:00"]
    figures = agreelib("__main__").agreement(tmp_path, LINES, seed=5, times=times)
    assert figures["reasons"].get(none, 0) == 0, figures["examples"][none]
    assert figures["differ"] < LINES // 20, figures["reasons"]
    assert LINES // 4 < figures["refused"] < LINES * 3 // 4
    assert figures["not_translated"] == []


def test_what_squidguard_finds_at_the_beginning_of_a_name(
    tmp_path: Path, agreelib: Callable[[str], Any]
) -> None:
    """It refuses what is on no list: that is its fault, and shown to be."""
    reasons, refused = agreelib("reasons"), agreelib("sides").refused
    write_lists(tmp_path / "lists")
    for domains in (tmp_path / "lists").glob("*/domains"):
        domains.write_text("a.example\n")
    sides = agreelib("sides").Sides(tmp_path, "10")
    index = CategoryIndex.open(sides.ours / "data" / "categories.index")
    carriers = load(sides.ours / "config", environ={}).carriers
    looks = reasons.Reasons(tmp_path / "lists", index, carriers)
    lines = [
        f"http://{host}/ 192.0.2.7/- - GET"
        for host in ("a.example", "a.exampled", "a.example.d", "a.examplef", "b.exampled")
    ]
    at = "2026-11-24T10:30:00"
    theirs, ours = (list(map(refused, sides.ask(side, lines, at)[0])) for side in _SIDES)
    assert ours == [True, False, False, False, False]
    assert theirs == [True, True, True, False, False]

    def ask(asked: list[str]) -> list[bool]:
        return list(map(refused, sides.ask("squidGuard", asked, at)[0]))

    differing = [
        (agreelib("lines").Line("near", line), our)
        for line, their, our in zip(lines, theirs, ours, strict=True)
        if their != our
    ]
    assert looks.of(differing, ask) == [reasons.FRONT] * 2


SMALL = """dbhome {lists}
logdir {logs}
time office {{
  weekly mtwhf 08:00-12:00 13:00-17:00
}}
time noon {{
  weekly * 12:00-13:00
}}
dest good {{
  domainlist good/domains
}}
dest bad {{
  domainlist bad/domains
  outside noon
  {of_bad}
}}
src a {{
  ip 10.1.0.0/16
  {of_a}
}}
src b {{
  ip 10.0.0.0-10.2.255.255
  {of_b}
}}
src c {{
  user carol
  ip 10.3.0.0/255.255.0.0
  {of_c}
}}
acl {{
{acl}
}}
"""
DEFAULT = "default {\n pass none\n redirect http://blocked.test/\n}"
TIMED_DEFAULT = (
    "default within office {\n pass good none\n redirect http://blocked.test/\n} else {\n"
    " pass !bad any\n redirect 302:http://blocked.test/?%t=%s&%%&%x\n}"
)
ALL = "default {\n pass all\n redirect http://blocked.test/%p?%f\n}"
OWN = "redirect 301:http://own.test/%a?c=%t&s=%s&u=%i&n=%n&r=%r"
OWN_IN_BLOCKS = (
    f"a within office {{\n pass !bad\n {OWN}\n}} else {{\n pass none\n}}\nb {{\n {OWN}\n}}\n"
    "c {\n pass good none\n redirect default\n}\n"
)


@pytest.mark.parametrize(
    ("of_a", "of_b", "acl"),
    [
        ("", "", f"a {{\n pass good !bad none\n {OWN}\n}}\nb {{\n pass !in-addr\n}}\n{DEFAULT}"),
        ("continue", "", OWN_IN_BLOCKS + TIMED_DEFAULT),
        ("", "", "a {\n pass good !bad any\n}\nb {\n pass !good none\n}\n" + DEFAULT),
        ("within office", "", "a {\n pass any\n}\nb {\n pass good\n}\n" + DEFAULT),
        ("outside office", "", "a {\n pass bad none\n}\nb {\n pass !bad\n}\n" + ALL),
        ("", "", "a within office {\n pass !bad any\n} else {\n pass good none\n}\n" + DEFAULT),
        ("outside noon", "", "a outside office {\n pass !in-addr any\n}\n" + DEFAULT),
        (
            "",
            "",
            "a within noon {\n pass any\n} else {\n pass !any\n}\nc { pass any }\n" + DEFAULT,
        ),
        # No list of its own: the default's. An ACL for a source that is none of theirs.
        ("", "", "a {\n redirect http://blocked.test/\n}\nc {\n pass good none\n}\n" + ALL),
        # Two blocks for one source; times of the default, whose last block counts always.
        ("", "", "b within noon {\n pass none\n}\nb {\n pass !bad any\n}\n" + DEFAULT),
        ("", "", TIMED_DEFAULT),
        # What a source with `continue` passes is for the next one that fits, then for the default.
        ("continue", "", "a {\n pass !bad any\n}\nb {\n pass !good any\n}\n" + DEFAULT),
        ("continue", "", "a {\n pass good none\n}\nb {\n pass any\n}\n" + DEFAULT),
        ("", "continue", "a {\n pass !bad any\n}\nb {\n pass any\n}\n" + DEFAULT),
        ("continue", "continue", "a {\n pass good !bad any\n}\nb {\n pass !in-addr\n}\n" + ALL),
        ("continue", "", "a {\n pass in-addr bad good none\n}\n" + ALL),
        ("within office continue", "", "a {\n pass bad !good any\n}\nb {\n pass any\n}\n" + ALL),
        # Where no block of its own holds, the default counts, and then the next source.
        ("continue", "continue", "a within noon {\n pass none\n}\nb {\n pass !bad any\n}\n" + ALL),
        (
            "continue",
            "continue",
            "b within noon {\n pass bad none\n} else {\n pass !bad\n}\n" + TIMED_DEFAULT,
        ),
    ],
)
def test_a_translation_decides_as_squidguard_does(
    tmp_path: Path, of_a: str, of_b: str, acl: str
) -> None:
    both_asked(tmp_path, of_a, of_b, acl)


def test_what_the_last_source_passes_is_final(tmp_path: Path) -> None:
    both_asked(tmp_path, "", "", "c {\n pass !bad any\n}\n" + DEFAULT, of_c="continue")


def test_what_a_destination_refuses_leads_where_it_says(tmp_path: Path) -> None:
    acl = f"a {{\n pass !good !bad any\n {OWN}\n}}\nb {{\n pass !bad !good any\n}}\n{DEFAULT}"
    both_asked(tmp_path, "", "", acl, of_bad="redirect http://bad.test/%p?%t+%s")


TIMES = st.sampled_from(["", "", "within office", "outside office", "within noon", "outside noon"])
PASSES = st.builds(
    lambda listed, end: f" pass {' '.join([*listed, *end])}\n" if [*listed, *end] else "",
    st.lists(st.sampled_from(["good", "bad", "in-addr", "!good", "!bad", "!in-addr"]), max_size=4),
    st.sampled_from([[], ["any"], ["none"], ["none"], ["all"]]),
)
# Of each source up to two blocks, with a time and an else or not.
LEADS = st.sampled_from(["", "", f" {OWN}\n", " redirect default\n"])
BLOCKS = st.builds(
    lambda time, passes, other, leads: (
        f"SOURCE {time} {{\n{passes}{leads}}}"
        + (f" else {{\n{leads}{other}}}" if time and other else "")
        + "\n"
    ),
    TIMES,
    PASSES,
    PASSES,
    LEADS,
)
ACL = st.builds(
    lambda a, b, c, default: (
        "".join(
            block.replace("SOURCE", name)
            for name, own in zip("abc", (a, b, c), strict=True)
            for block in own
        )
        + default
    ),
    st.lists(BLOCKS, max_size=2),
    st.lists(BLOCKS, max_size=2),
    st.lists(BLOCKS, max_size=2),
    st.sampled_from([DEFAULT, TIMED_DEFAULT, ALL]),
)
OF_A_SOURCE = st.sampled_from(["", "continue", "within office continue", "outside noon"])


@settings(max_examples=40)
@given(
    of_a=OF_A_SOURCE,
    of_b=OF_A_SOURCE,
    acl=ACL,
    of_c=OF_A_SOURCE,
    of_bad=st.sampled_from(["", "redirect http://bad.test/?%t+%s"]),
)
def test_whatever_the_acls_it_decides_as_squidguard_does(
    of_a: str, of_b: str, acl: str, of_c: str, of_bad: str
) -> None:
    with TemporaryDirectory() as folder:
        both_asked(Path(folder), of_a, of_b, acl, of_c, of_bad)


def both_asked(
    tmp_path: Path, of_a: str, of_b: str, acl: str, of_c: str = "", of_bad: str = ""
) -> None:
    """squidGuard, and its configuration translated, answer alike."""
    lists, logs = tmp_path / "lists", tmp_path / "logs"
    logs.mkdir()
    for name in ("good", "bad"):
        (lists / name).mkdir(parents=True)
        (lists / name / "domains").write_text(f"{name}.example\nboth.example\n")
    conf = tmp_path / "squidGuard.conf"
    sides = {"of_a": of_a, "of_b": of_b, "of_c": of_c, "of_bad": of_bad, "acl": acl}
    conf.write_text(SMALL.format(lists=lists, logs=logs, **sides))
    _, translation, _ = convert(conf, tmp_path / "made", None, "Europe/London")
    made = load(tmp_path / "made" / "config", environ={})
    policy = made.policy
    entries = read_people(tmp_path / "made" / "config" / "people.yaml", policy)
    addresses = AddressMap(made.identity.addresses, policy.strictest_profile)
    desk = Desk(redirect_of(translation.redirect), "3.4")
    index = CategoryIndex.open(made.paths.index_file)
    file = tmp_path / "made" / "config" / "redirects.yaml"
    redirects = read_redirects(file, policy) if file.exists() else {}
    desk.rest_on(Basis(made, index, Callers(entries, addresses, policy), redirects))
    lines = [
        f"http://{host}/ 10.{number}.0.1/- {user} GET"
        for host in ("good.example", "bad.example", "both.example", "x.example", "192.0.2.1")
        for number in (0, 1, 3, 4)
        for user in ("-", "carol", "dave")
    ]
    asked = "".join(f"{line}\n" for line in lines)
    # On either side of an edge, ours at the second itself. squidGuard, started as a second turns,
    # begins a second before what -t says (6 of 121 such starts): it is asked one inside.
    for at, theirs_at in (
        ("2026-11-24T07:59:59", "2026-11-24T07:59:58"),
        ("2026-11-24T08:00:00", "2026-11-24T08:00:01"),
        ("2026-11-24T12:30:00", "2026-11-24T12:30:00"),
        ("2026-11-22T12:59:00", "2026-11-22T12:59:00"),
    ):
        ran = subprocess.run(
            [SQUIDGUARD, "-c", conf, "-t", theirs_at],
            input=asked,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
            env={**os.environ, "TZ": "Europe/London"},
        )
        theirs = ran.stdout.splitlines()
        now = datetime.fromisoformat(at).replace(tzinfo=policy.time_zone)
        ours = desk.answers(asked[:-1], now)
        differ = [
            (line, their, our)
            for line, their, our in zip(lines, theirs, ours, strict=True)
            if their != our
        ]
        assert not differ, at
