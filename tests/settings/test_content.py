"""`content` of watchhouse.yaml: scanners, archives, copies."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from proxy_addons.settings import content
from proxy_addons.settings.content_keys import CONTENT
from proxy_addons.settings.load import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proxy_addons.settings.load import Examined

    type Look = Callable[..., Examined]

ALL = """
content:
  largest: 700
  force_domains: [Force.Example, police.example]
  clamd:
    servers: ["unix:/run/clamav/clamd.ctl", "[::1]:3310", "LOCALHOST:3310"]
    timeout: 2.5
    connections: 3
    largest: 25
    limit_alerts: false
  icap: {url: "icap://127.0.0.1/avscan?a=b", timeout: 4, connections: 5, largest: 6, preview: false}
  archives: {depth: 7, members: 8, size: 9, ratio: 10, seconds: 11, processes: 12}
  quarantine: {folder: kept, size: 13, days: 14}
  held: {folder: room, memory: 15, disk: 701, each: 16}
  trickle: {after: 17.5, bytes: 18}
"""
MIB = content.MEBIBYTE


def said(look: Look, text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        look(f"content: {{{text}}}\n")
    return "\n".join(f"{problem.key}: {problem.message}" for problem in caught.value.problems)


def test_what_the_table_says_by_default_is_what_the_program_says(look: Look):
    assert look("listen: {}\n").settings.content == content.Content()
    assert look().settings.content == content.Content()


def test_every_attribute_has_its_key():
    parts = {"clamd", "icap", "archives", "quarantine", "held", "trickle"}
    own = {
        f"content.{part}.{each.name}"
        for part in parts
        for each in fields(getattr(content, part.capitalize()))
    }
    own |= {f"content.{each.name}" for each in fields(content.Content) if each.name not in parts}
    assert {setting.name for setting in CONTENT} == own


def test_all_of_it(look: Look, config: Path):
    assert look(ALL).settings.content == content.Content(
        clamd=content.Clamd(
            ("unix:/run/clamav/clamd.ctl", "[::1]:3310", "localhost:3310"),
            timeout=2.5, connections=3, largest=25 * MIB, limit_alerts=False,
        ),
        icap=content.Icap(
            "icap://127.0.0.1:1344/avscan?a=b",
            timeout=4, connections=5, largest=6 * MIB, preview=False,
        ),
        archives=content.Archives(7, 8, 9 * MIB, 10, 11, 12),
        quarantine=content.Quarantine(config.parent / "var/kept", 13 * MIB, 14),
        held=content.Held(
            folder=config.parent / "var/room", memory=15 * MIB, disk=701 * MIB, each=16
        ),
        trickle=content.Trickle(after=17.5, bytes=18),
        largest=700 * MIB,
        force_domains=("force.example", "police.example"),
    )  # fmt: skip


def test_a_single_server(look: Look):
    found = look(content__clamd__servers="127.0.0.1:3310,unix:/run/x").settings.content
    assert found.clamd.servers == ("127.0.0.1:3310", "unix:/run/x")
    text = "content: {clamd: {servers: 'unix:/run/x'}}\n"
    assert look(text).settings.content.clamd.servers == ("unix:/run/x",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clamd: {servers: /run/clamav/clamd.ctl}", "did you mean unix:/run/clamav/clamd.ctl?"),
        ("clamd: {servers: 'unix:clamd.ctl'}", "whose path is not absolute"),
        (f"clamd: {{servers: 'unix:/{'x' * 107}'}}", "longer than 107 bytes"),
        ("clamd: {servers: localhost}", "whose port is not a number from 1 to 65535"),
        ("clamd: {servers: ['h:1', 'H:1']}", "content.clamd.servers: names h:1 twice"),
        (
            "largest: 11, held: {disk: 10}",
            "content.largest: a body of 11 MiB has no room in content.held.disk (10 MiB for all",
        ),
        ("held: {disk: 0}", "content.held.disk: found the number 0; wanted a whole number from 1"),
        ("trickle: {bytes: 1025}", "wanted a whole number from 1 to 1024"),
        ("clamd: {largest: 2048}", "wanted a whole number from 1 to 2047"),
        ("clamd: {limit_alerts: 'yes'}", "wanted true or false"),
        ("clamd: {server: 'h:1'}", "unknown key; did you mean servers?"),
        ("icap: {url: 'http://h/avscan'}", "wanted icap://host[:port]/service"),
        ("icap: {url: 'icap://h'}", "which names no service"),
        ("icap: {url: 'icap://h/'}", "which names no service"),
        ("icap: {url: 'icap://h/a b'}", "which names no service"),
        ("icap: {url: 'icap://u@h/x'}", "content.icap.url: found"),
        ("icap: {url: 'icap://h:0/x'}", "whose port is not a number"),
        ("quarantine: {days: 0}", "wanted a whole number from 1 to 3660"),
        ("force_domains: '@force.example'", "content.force_domains: found"),
    ],
)
def test_what_is_wrong_is_said(look: Look, text: str, message: str):
    assert message in said(look, text)


def test_a_quarantine_that_is_a_file(look: Look, config: Path):
    (config.parent / "var").mkdir()
    (config.parent / "var/kept").touch()
    assert "var/kept is no folder" in said(look, "quarantine: {folder: kept}")


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("largest: 50, clamd: {largest: 60}", "clamd.largest", "bodies of more than 50 MiB"),
        ("clamd: {servers: '192.0.2.7:3310'}", "clamd.servers", "192.0.2.7:3310: what people"),
        ("clamd: {servers: 'scan.example:1'}", "clamd.servers", "goes through the net in the"),
        ("icap: {url: 'icap://192.0.2.7/x'}", "icap.url", "192.0.2.7:1344: what people"),
        ("clamd: {servers: 'unix:/x', limit_alerts: false}", "clamd.limit_alerts", "counts as"),
        ("quarantine: {folder: x}", "quarantine.folder", "of no effect: no scanner is named"),
    ],
)
def test_what_is_odd_is_told(look: Look, text: str, key: str, message: str):
    (warning,) = look(f"content: {{{text}}}\n").warnings
    assert warning.key == f"content.{key}"
    assert message in warning.message


def test_nothing_is_odd_about_scanners_on_this_machine(look: Look):
    text = "clamd: {servers: ['unix:/x', 'localhost:1', '[::1]:1']}, icap: {url: 'icap://[::1]/x'}"
    assert look(f"content: {{{text}}}\n").warnings == ()
