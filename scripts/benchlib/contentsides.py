"""The sides of `content-*`: who looks into what comes back, and who does not.

In: the run's place and origin. Out: running proxies; those that scan have a clamd of their own,
which is counted with them.
Must never: scan less than another: both clamds have one configuration, and that each side refuses
a virus is tried before anything is measured.
"""

from __future__ import annotations

import http.client
import json
import shutil
from typing import TYPE_CHECKING, Any, ClassVar, override

import yaml
from support.eicar import EICAR, zipped

from benchlib import cpu
from benchlib.gateway import Watchhouse
from benchlib.guardian import E2Guardian
from benchlib.place import SideError
from benchlib.side import PATH, ROOT, AbsentError, plain_environment
from proxy_addons.policy.findings import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from benchlib.origin import Origin
    from benchlib.place import Place, Program
    from benchlib.side import Side

OFF, ON, SCANNING, GUARDIAN = "watchhouse-off", "watchhouse", "watchhouse-clamd", "e2guardian-clamd"
# An ending that nobody refuses for itself.
VIRUS_PATH, CLEAN_PATH = "/content/one.docx", "/content/two.docx"
# Nothing is remembered: what people download differs, and is scanned each time.
CLAMD = """
Foreground yes
LocalSocket {folder}/s
LocalSocketMode 666
DatabaseDirectory {folder}/db
TemporaryDirectory {folder}/tmp
AlertExceedsMax yes
StreamMaxLength 100M
MaxFileSize 100M
MaxScanSize 400M
DisableCache yes
Bytecode no
SelfCheck 0
"""


def start_clamd(place: Place, name: str) -> tuple[Program, Path]:
    """A clamd with one signature, that of EICAR; and its socket.

    Raises:
        AbsentError: there is none.
    """
    program = shutil.which("clamd", path=PATH)
    if program is None:
        raise AbsentError("clamd is not installed (apt-get install clamav-daemon)")
    folder = place.subfolder(f"{name}-clamd")
    folder.chmod(0o755)
    for each in ("db", "tmp"):
        (folder / each).mkdir()
    (folder / "db" / "bench.ndb").write_text(f"Bench.Eicar:0:*:{EICAR.hex()}\n")
    (folder / "clamd.conf").write_text(CLAMD.format(folder=folder))
    command = [program, "--config-file", folder / "clamd.conf"]
    started = place.start(f"{name}-clamd", command, proxy=True, environ=plain_environment())
    started.await_socket(folder / "s")
    return started, folder / "s"


class WatchhouseOff(Watchhouse):
    """The gateway with a policy of which no rule looks at what is found in bodies."""

    name = OFF
    what = "as watchhouse, without the rules that look at findings: bodies are not looked at"

    @override
    def start(self, place: Place, origin: Origin) -> Program:
        self._config = without_findings(place.folder / f"{self.name}-config")
        return super().start(place, origin)


def without_findings(folder: Path) -> Path:
    """The default configuration without the rules that look at findings."""
    shutil.copytree(ROOT / "config", folder)
    path = folder / "policy.yaml"
    policy: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    rules = [rule for rule in policy["rules"] if not set(KINDS) & set(rule.get("when", ()))]
    if len(rules) == len(policy["rules"]):
        raise SideError("no rule of the default policy looks at findings: both would be the same")
    # JSON is YAML too.
    path.write_text(json.dumps(policy | {"rules": rules}, default=str), encoding="utf-8")
    path = folder / "watchhouse.yaml"
    settings: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings["categories_dir"] = str(ROOT / "categories")
    path.write_text(json.dumps(settings), encoding="utf-8")
    return folder


class WatchhouseScanning(Watchhouse):
    """The gateway with the default policy and a clamd."""

    name = SCANNING
    what = "as watchhouse, with a clamd of its own on a Unix socket, which is counted with it"

    @override
    def start(self, place: Place, origin: Origin) -> Program:
        self.scanner, socket = start_clamd(place, self.name)
        self._settings = {**self._settings, "content.clamd.servers": f"unix:{socket}"}
        return super().start(place, origin)


class E2GuardianScanning(E2Guardian):
    """E2Guardian as packaged, with its clamd scanner."""

    name = GUARDIAN
    what = "as e2guardian, with its clamdscan on a clamd of its own, which is counted with it"
    extra: ClassVar[dict[str, str]] = {
        "contentscanner": "'{folder}/contentscanners/clamdscan.conf'"
    }

    @override
    def start(self, place: Place, origin: Origin) -> Program:
        self.scanner, self._socket = start_clamd(place, self.name)
        return super().start(place, origin)

    @override
    def configure(self, folder: Path) -> None:
        path = folder / "contentscanners" / "clamdscan.conf"
        lines = path.read_text(encoding="latin-1").splitlines()
        kept = [line for line in lines if not line.startswith("clamdudsfile")]
        kept.append(f"clamdudsfile = '{self._socket}'")
        path.write_text("\n".join(kept) + "\n", encoding="latin-1")
        # Films and archives are refused by their endings and types as packaged, all of them.
        for name in ("bannedextensionlist", "bannedmimetypelist"):
            (folder / "lists" / name).write_text("# none\n", encoding="ascii")


KINDS_OF_SIDES: dict[str, type[Side]] = {
    side.name: side for side in (WatchhouseOff, Watchhouse, WatchhouseScanning, E2GuardianScanning)
}


def programs(side: Side) -> list[Program]:
    """All that is counted as a side."""
    scanner = getattr(side, "scanner", None)
    return [side.program, *([scanner] if scanner is not None else [])]


def reading(side: Side) -> cpu.Reading:
    """CPU used so far by a side and its scanner."""
    found = cpu.Reading({}, {})
    for program in programs(side):
        each = cpu.read(program.pid)
        found.spent.update(each.spent)
        found.names.update(each.names)
    return found


def scanner_reading(side: Side) -> cpu.Reading:
    """CPU used so far by a side's clamd alone."""
    scanner = getattr(side, "scanner", None)
    return cpu.Reading({}, {}) if scanner is None else cpu.read(scanner.pid)


def processes(side: Side) -> list[int]:
    """The process ids of a side and its scanner."""
    everyone = cpu.processes()
    return [each.pid for p in programs(side) for each in cpu.family(p.pid, everyone)]


def check(sides: Iterable[Side], origin: Origin) -> None:
    """That sides which say they scan let no virus through.

    Those that do not scan let the same file through, and all do without the virus in it: it is
    refused for nothing else.

    Raises:
        SideError: it is otherwise.
    """
    virus, clean = zipped(EICAR, "note.txt"), zipped(b"words " * 9, "note.txt")
    origin.put(VIRUS_PATH, virus)
    origin.put(CLEAN_PATH, clean)
    for side in sides:
        scans = hasattr(side, "scanner")
        for path, body, wanted in ((VIRUS_PATH, virus, not scans), (CLEAN_PATH, clean, True)):
            status, got = ask(side, origin, path)
            if (status == http.client.OK and got == body) != wanted:
                lets = "lets a virus through" if got == body else "lets no archive through"
                raise SideError(f"{side.name} {lets}: {status} for {path}")


def ask(side: Side, origin: Origin, path: str) -> tuple[int, bytes]:
    """Status and body of an answer in plain HTTP."""
    connection = http.client.HTTPConnection(*side.address, timeout=60)
    try:
        connection.request("GET", f"http://{origin.host}:{origin.http_port}{path}")
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise SideError(f"{side.name}: {path}: {error!r}") from error
    finally:
        connection.close()
