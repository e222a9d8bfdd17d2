"""Segments of the access log with records of one's own, for what reads them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from proxy_addons.accesslog.record import empty_record

if TYPE_CHECKING:
    from pathlib import Path


def record(number: int, at: str, **fields: Any) -> dict[str, Any]:
    """A closing record; `at` is ISO 8601, in UTC unless it says otherwise."""
    start = datetime.fromisoformat(at)
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    made = {name: list(value) if value == () else value for name, value in empty_record().items()}
    made |= {
        "schema": 1, "event": "transaction", "id": f"id-{number}", "worker": 1, "seq": number,
        "start": start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "duration_ms": 5.0,
        "kind": "https", "method": "GET", "host": "site.example", "port": 443,
        "profile": "standard", "states": ["no-rota"], "action": "allow", "rule": "everything-else",
        "policy_version": "before",
    }  # fmt: skip
    return made | fields


def put(
    access: Path, *records: dict[str, Any], hour: str = "20261124T10Z", worker: int = 1
) -> Path:
    """A segment with these records."""
    access.mkdir(parents=True, exist_ok=True)
    path = access / f"access-w{worker:02}-{hour}-0001.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    return path
