"""Live rows of a segment that is gone are gone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb
from support.segments import record, write

from proxy_addons.accesslog.record import empty_record
from proxy_addons.audit.live import Live

if TYPE_CHECKING:
    from pathlib import Path


def test_rows_go_with_their_segment(tmp_path: Path) -> None:
    at = datetime(2026, 11, 21, 12, tzinfo=UTC)
    made = [{**empty_record(), **record(n, 1, at)} for n in (1, 2)]
    first = write(tmp_path, "20261121T12", made)
    write(tmp_path, "20261121T13", made[:1])
    with duckdb.connect() as store:
        live = Live(tmp_path, store)
        live.poll(())
        count = "SELECT count(*) FROM live"
        assert store.execute(count).fetchone() == (3,)
        first.unlink()
        live.poll(())
        assert store.execute(count).fetchone() == (1,)
        assert len(live.segments) == 1
