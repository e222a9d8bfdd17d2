"""Segments of an access log, as workers leave them, without a gateway.

In: workers, hours, how many records. Out: files, and the lines in them.
Must never: be taken for what writes the log (tests/accesslog has that).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from proxy_addons.accesslog.segment import ENDED_MODE, SegmentName

if TYPE_CHECKING:
    from pathlib import Path

PEOPLE = ("AB1234", "CD5678", "EF9012", None)


def record(seq: int, worker: int, start: datetime, **more: Any) -> dict[str, Any]:
    """A record with the fields that count here."""
    person = PEOPLE[seq % len(PEOPLE)]
    made = {
        "schema": 1,
        "event": "transaction",
        "id": f"{worker:02d}{seq:010d}",
        "worker": worker,
        "seq": seq,
        "start": start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "person": person,
        "client_ip": f"192.0.2.{seq % 7}",
        "url": f"https://site{seq % 11}.test/{seq}",
        "host": f"site{seq % 11}.test",
        "categories": ["news"],
        "action": "allow",
        "policy_version": "p1",
        "list_version": "l1",
    }
    return made | more


def write(
    folder: Path,
    hour: str,
    records: list[dict[str, Any]],
    *,
    worker: int = 1,
    number: int = 1,
    mode: int = ENDED_MODE,
) -> Path:
    """Write a segment."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / str(SegmentName(hour, worker, number))
    path.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in records))
    path.chmod(mode)
    return path


def hours(
    folder: Path, count: int = 3, each: int = 40, *, workers: int = 2, first: str = "20261121T08"
) -> list[Path]:
    """Some hours of some workers: records with numbers that go on."""
    begins = datetime.strptime(first, "%Y%m%dT%H").replace(tzinfo=UTC)
    made = []
    for worker in range(1, workers + 1):
        for hour in range(count):
            at = begins + timedelta(hours=hour)
            step = timedelta(hours=1) / max(1, each)
            records = [
                record(hour * each + place + 1, worker, at + place * step) for place in range(each)
            ]
            made.append(write(folder, at.strftime("%Y%m%dT%H"), records, worker=worker))
    return made
