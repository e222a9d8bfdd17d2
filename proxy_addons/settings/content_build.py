"""The settings about content, put together from the table's values.

In: one `Given` for each key of content_keys.py. Out: the dataclasses of content.py.
Must never: contact a scanner, or make a folder.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from proxy_addons.settings import content
from proxy_addons.settings.content_kinds import ICAP, UNIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.read_table import Given

_SECTION = "content."


class ContentBuilder:
    """Turns the values of the table into `content`.

    Args:
        given: a value for each key.
        path: the absolute path that a key holds; relative ones are relative to the data folder.
        report: takes the problems.
    """

    def __init__(
        self, given: Mapping[str, Given], path: Callable[[str], Path], report: Report
    ) -> None:
        self._given = given
        self._path = path
        self._report = report

    def built(self) -> content.Content:
        """`content`."""
        return content.Content(
            clamd=self._clamd(),
            icap=content.Icap(
                url=self._value("icap.url"),
                timeout=self._value("icap.timeout"),
                connections=self._value("icap.connections"),
                largest=self._bytes("icap.largest"),
                preview=self._value("icap.preview"),
            ),
            archives=content.Archives(
                depth=self._value("archives.depth"),
                members=self._value("archives.members"),
                size=self._bytes("archives.size"),
                ratio=self._value("archives.ratio"),
                seconds=self._value("archives.seconds"),
                processes=self._value("archives.processes"),
            ),
            quarantine=content.Quarantine(
                folder=self._folder(),
                size=self._bytes("quarantine.size"),
                days=self._value("quarantine.days"),
            ),
            held=self._held(),
            trickle=content.Trickle(
                after=self._value("trickle.after"), bytes=self._value("trickle.bytes")
            ),
            largest=self._bytes("largest"),
            force_domains=self._value("force_domains") or (),
        )

    def _clamd(self) -> content.Clamd:
        servers: tuple[str, ...] = self._value("clamd.servers") or ()
        for number, server in enumerate(servers):
            if server in servers[:number]:
                self._problem("clamd.servers", f"names {server} twice; take one of them away")
        return content.Clamd(
            servers=servers,
            timeout=self._value("clamd.timeout"),
            connections=self._value("clamd.connections"),
            largest=self._bytes("clamd.largest"),
            limit_alerts=self._value("clamd.limit_alerts"),
        )

    def _held(self) -> content.Held:
        largest, disk = self._bytes("largest"), self._bytes("held.disk")
        if largest > disk > 0:
            self._problem(
                "largest",
                f"a body of {largest // content.MEBIBYTE} MiB has no room in content.held.disk"
                f" ({disk // content.MEBIBYTE} MiB for all bodies); raise that, or lower this",
            )
        return content.Held(
            folder=self._folder("held.folder"),
            memory=self._bytes("held.memory"),
            disk=disk,
            each=self._value("held.each"),
        )

    def _folder(self, name: str = "quarantine.folder") -> Path | None:
        if self._value(name) is None:
            return None
        folder = self._path(_SECTION + name)
        if folder.exists() and not folder.is_dir():
            self._problem(name, f"{folder} is no folder")
        return folder

    def _value(self, name: str) -> Any:
        return self._given[_SECTION + name].value

    def _bytes(self, name: str) -> int:
        # What could not be read is reported, and the whole configuration is refused with it.
        return (self._value(name) or 0) * content.MEBIBYTE

    def _problem(self, name: str, message: str) -> None:
        key = _SECTION + name
        self._report.add(self._given[key].place, key, message)


def odd(built: content.Content) -> Iterator[tuple[str, str]]:
    """What is valid and of no effect, or other than it may look: for `watchhouse check`.

    Yields:
        A dotted key and a sentence.
    """
    scanned = bool(built.clamd.servers or built.icap.url)
    for name, scanner in (("clamd", built.clamd), ("icap", built.icap)):
        if scanner.largest > built.largest:
            message = (
                f"of no effect: bodies of more than {built.largest // content.MEBIBYTE} MiB"
                " (content.largest) are not scanned at all"
            )
            yield f"{_SECTION}{name}.largest", message
    in_clear = "what people download goes through the net in the clear, and anybody could answer"
    for server in built.clamd.servers:
        if not server.startswith(UNIX) and not _is_loopback(server):
            yield f"{_SECTION}clamd.servers", f"{server}: {in_clear}"
    if built.icap.url is not None:
        address = built.icap.url.removeprefix(ICAP).partition("/")[0]
        if not _is_loopback(address):
            yield f"{_SECTION}icap.url", f"{address}: {in_clear}"
    if not built.clamd.limit_alerts and built.clamd.servers:
        message = "what clamd looked at in part only counts as clean"
        yield f"{_SECTION}clamd.limit_alerts", message
    if built.quarantine.folder is not None and not scanned:
        yield f"{_SECTION}quarantine.folder", "of no effect: no scanner is named"


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"  # other names may lead anywhere
