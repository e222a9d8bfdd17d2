"""What a gateway's access log must be after whatever happened to it.

In: a gateway's data folder. Out: its records; or a failed test. Must never: pass over a line.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from support.gateway import Gateway
    from support.load import Done


def sound_log(gateway: Gateway) -> list[dict[str, Any]]:
    """Every record of a gateway that has stopped; its log must be whole.

    Every line is a record, no number is missing or there twice in the sequence of its worker, no
    reference number is there twice, no duration is negative.
    """
    records = [
        json.loads(line)
        for file in sorted((gateway.data / "log/access").glob("*.jsonl"))
        for line in _lines(file)
    ]
    for worker in {record["worker"] for record in records}:
        numbers = sorted(record["seq"] for record in records if record["worker"] == worker)
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), f"worker {worker}"
    closing = [record for record in records if record["event"] == "transaction"]
    ids = [record["id"] for record in closing]
    assert len(ids) == len(set(ids)), "a reference number twice"
    assert all(record["duration_ms"] >= 0 for record in closing)
    return closing


def _lines(file: Path) -> list[bytes]:
    data = file.read_bytes()
    assert not data or data.endswith(b"\n"), f"{file.name}: the last line is torn"
    return data.splitlines()


def nothing_passed_unrecorded(
    records: Iterable[dict[str, Any]], done: Iterable[Done], arrived: Iterable[str] = ()
) -> None:
    """Whoever got a site's answer is in the log as allowed, and so is what reached a site.

    Args:
        records: closing records.
        done: what clients noted.
        arrived: URLs that reached a site.
    """
    allowed = {record["url"] for record in records if record["action"] == "allow"}
    unrecorded = [each.url for each in done if each.status == 200 and each.url not in allowed]
    assert not unrecorded, f"{len(unrecorded)} passed without a record: {unrecorded[:3]}"
    sent = [url for url in arrived if url not in allowed]
    assert not sent, f"{len(sent)} reached a site without a record: {sent[:3]}"
