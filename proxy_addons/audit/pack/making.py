"""Making an evidence pack: lines, proofs, report and all that belongs to them, signed.

In: the sealed log, which lines, what is said about them, the log's key. Out: the octets of a zip.
Must never: give other lines than those it was told; claim more than is proved; make a pack of
records that are not sealed. The same inputs give the same octets.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from proxy_addons.accesslog.record import NAMES
from proxy_addons.accesslog.seal.files import put
from proxy_addons.accesslog.seal.standalone.shipped import shipped
from proxy_addons.audit.pack.about import SECRET, About, PackError, Redactions, Whole
from proxy_addons.audit.pack.archive import MOST, zipped
from proxy_addons.audit.pack.gathering import Gathered, gather, stamp
from proxy_addons.audit.pack.report import Report, report_of
from proxy_addons.audit.pack.reporthtml import html_of
from proxy_addons.audit.pack.reportpdf import pdf_of
from proxy_addons.audit.pack.texts import limitations_of, readme_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from proxy_addons.accesslog.seal.notes import Signer
    from proxy_addons.accesslog.seal.sealing import Seals
    from proxy_addons.audit.store import At

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack.

    Attributes:
        octets: of the zip.
        sha256: of these, to be written down elsewhere.
        lines: that are in it.
        withheld: of which only the hash is in it.
        statement: what is proved, in words.
    """

    octets: bytes
    sha256: str
    lines: int
    withheld: int
    statement: str


def make_pack(  # noqa: PLR0913 - its caller names each of them
    seals: Seals,
    ats: Iterable[At],
    about: About,
    *,
    signer: Signer,
    at: datetime,
    secret: bytes,
    whole: Whole | None = None,
    redactions: Redactions | None = None,
) -> Pack:
    """Make a pack.

    Records that are not sealed yet are refused, and not packed as "unproven": in a hearing half of
    a pack would lend the other half a weight that it does not have.

    Args:
        seals: the folder of the seals.
        ats: which lines.
        about: what is said about them.
        signer: with the key of the log.
        at: when, aware.
        secret: 32 octets, the same for a full and a redacted pack that are to be compared; not in
            the pack.
        whole: what it is to be complete for; None: nothing is said about other records.
        redactions: what is withheld.

    Raises:
        PackError: none could be made; the text says what to do.
    """
    if len(secret) != SECRET:
        raise PackError(f"a pack's secret has {SECRET} octets")
    held = redactions or Redactions()
    unknown = held.fields - set(NAMES) | held.details - set(about.details)
    if unknown:
        raise PackError(f"to be withheld, and not there: {', '.join(sorted(unknown))}")
    gathered = gather(seals, ats, whole, held)
    strangers = held.lines - {each.at for each in gathered.lines}
    if strangers:
        raise PackError(f"to be withheld, and not among the lines: {min(strangers)}")
    report = report_of(gathered, about, at, whole, held)
    files = _files(gathered, about, held, report, secret)
    files["report.html"] = html_of(report).encode()
    files["report.pdf"] = pdf_of(report)
    files["README.txt"] = readme_of(report, str(signer.verifier)).encode()
    octets = zipped(files | _signed(files, about, gathered, signer, at), at)
    if sum(map(len, files.values())) > MOST:
        raise PackError("the pack would be too large: ask for a shorter period")
    withheld = sum(each.withheld for each in gathered.lines)
    shown = len(gathered.lines) - withheld
    digest = hashlib.sha256(octets).hexdigest()
    return Pack(octets, digest, shown, withheld, report.statement)


def write_pack(pack: Pack, target: Path) -> None:
    """Write a pack, whole and durable.

    Raises:
        OSError: it is not there.
    """
    put(target, pack.octets)


def _signed(
    files: Mapping[str, bytes], about: About, gathered: Gathered, signer: Signer, at: datetime
) -> dict[str, bytes]:
    said = {
        "watchhouse_pack": 2,
        "id": about.id,
        "made": stamp(at),
        "log": gathered.checkpoint.origin,
        "size": gathered.checkpoint.size,
        "files": {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)},
    }
    text = _json(said).decode()
    return {"manifest.json": text.encode(), "manifest.sig": signer.sign(text).encode()}


def _files(
    gathered: Gathered, about: About, held: Redactions, report: Report, secret: bytes
) -> dict[str, bytes]:
    shown = [each for each in gathered.lines if not each.withheld]
    where = io.StringIO(newline="")
    table = csv.writer(where, lineterminator="\n")
    table.writerow(["segment", "line", "index", "reference", "seq", "start"])
    before: Counter[str] = Counter()
    for each in shown:
        record = each.record
        before[each.at.segment] += 1
        seen = [_cell(record.get(name)) for name in ("id", "seq", "start")]
        table.writerow([each.at.segment, before[each.at.segment], each.at.line, *seen])
    files = {
        "lines/lines.csv": where.getvalue().encode(),
        "records.csv": _records(shown),
        "proofs.json": _json(gathered.proofs),
        "question.json": _json(
            {"question": dict(about.question), "counts": dict(about.counts)}
            | {"engine": about.engine, "statement": report.statement}
        ),
        "authorisation.json": _json(_authorisation(about, held, secret)),
        "versions.json": _json(
            {
                "software": about.software,
                "engine": about.engine,
                "category_lists": list(about.list_versions),
                "policies": list(about.policy_versions),
                "sealed_with": sorted({each.software for each in gathered.manifests}),
                "identity": about.identity,
                "clock": about.clock,
            }
        ),
        "custody.json": _json({"maker": about.maker, "events": list(map(asdict, about.custody))}),
        "gaps.json": _json({"missing": gathered.missing, "said": list(gathered.gaps)}),
        "limitations.md": limitations_of(about, gathered, report.statement).encode(),
        "verify.py": shipped("pack").encode(),
        **gathered.files,
    }
    if any(each.withheld for each in gathered.lines):
        files["extracts.jsonl"] = _extracts(gathered, held)
    return files


def _extracts(gathered: Gathered, held: Redactions) -> bytes:
    """Of withheld lines: where they stand, and what other fields say where only fields are hidden.

    They prove nothing by themselves: whoever has the full line can compare.
    """
    found = []
    for each in gathered.lines:
        if each.withheld:
            said = {"segment": each.at.segment, "index": each.at.line}
            if each.at not in held.lines:
                kept = {k: v for k, v in each.record.items() if k not in held.fields}
                said |= {"record": kept, "withheld": sorted(held.fields)}
            found.append(json.dumps(said, sort_keys=True) + "\n")
    return "".join(found).encode()


def _authorisation(about: About, held: Redactions, secret: bytes) -> dict[str, Any]:
    """Each detail with a salted hash, so that a redacted one can be compared with a full one."""
    details = {}
    for name in sorted(about.details):
        value = about.details[name]
        salt = hmac.digest(secret, f"detail:{name}".encode(), "sha256").hex()
        said = json.dumps([salt, name, value], ensure_ascii=True, separators=(",", ":"))
        digest = hashlib.sha256(said.encode()).hexdigest()
        details[name] = (
            {"withheld": True, "sha256": digest}
            if name in held.details
            else {"value": value, "salt": salt, "sha256": digest}
        )
    return {"reference": about.authorisation, "details": details}


def _json(said: object) -> bytes:
    return (json.dumps(said, sort_keys=True, indent=1, ensure_ascii=True) + "\n").encode()


def _records(lines: Iterable[Any]) -> bytes:
    into = io.StringIO(newline="")
    table = csv.writer(into, lineterminator="\r\n")
    table.writerow(NAMES)
    for each in lines:
        record = each.record
        table.writerow([_cell(record.get(name)) for name in NAMES])
    return into.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: object) -> str:
    """A value for a spreadsheet: never a formula, never a second line."""
    if value is None:
        return ""
    text = "; ".join(map(str, value)) if isinstance(value, list) else str(value)
    text = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
    return f"'{text}" if text.startswith(_FORMULA) else text
