"""The wall clock is stepped under load: the policy follows it, and nothing else does."""

from __future__ import annotations

import subprocess
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from support.evidence import nothing_passed_unrecorded, sound_log
from support.faketime import FAKETIME, wall_clock
from support.load import Load
from support.names import NameServer
from support.scene import LONDON, working_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.gateway import Gateway
    from support.web import Web

# Times are looked at: nothing else may run beside it.
pytestmark = pytest.mark.apart

SHOP = "www.amazon.co.uk"  # for personal use: in breaks and out of hours
LONGEST = 60.0  # seconds that anything here may take by a clock that nobody sets


class Clock:
    """A wall clock that processes read anew at each look.

    Args:
        file: how far from the real one it is.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.environ = wall_clock(
            FAKETIME_TIMESTAMP_FILE=str(file), FAKETIME_NO_CACHE="1", TZ="Europe/London"
        )

    def set(self, now: datetime) -> None:
        """Make it this time from now on."""
        offset = now.timestamp() - time.time()
        new = self.file.with_suffix(".new")
        new.write_text(f"{offset:+.3f}\n")
        new.rename(self.file)


@pytest.mark.root
def test_the_clock_is_stepped_under_load(
    start: Callable[..., Gateway], web: Web, tmp_path: Path
) -> None:
    if FAKETIME is None:
        pytest.skip("needs faketime, to step the clock (Debian: faketime)")
    clock = Clock(tmp_path / "clock")
    morning = datetime.fromisoformat(working_time("10:30:00")).replace(tzinfo=LONDON)
    clock.set(morning)
    names = {"www.gov.uk": ["127.0.0.1"], SHOP: ["127.0.0.1"]}
    with NameServer(names, ttl=600) as server:
        network = {"dns_servers": server.address, "intranet": ["127.0.0.1/32"], "idle_timeout": 60}
        gateway = start({"network": network}, environ=clock.environ)
        shop = f"http://{SHOP}:{web.http}/"
        with Load(gateway.proxy, (f"www.gov.uk:{web.http}",), clients=3, pause=0.02) as load:
            load.wait(5)
            stream = subprocess.Popen(
                ["curl", "-sN", "--proxy", f"http://{gateway.proxy}",
                 f"http://www.gov.uk:{web.http}/slow/40"],
                stdout=subprocess.PIPE,
            )  # fmt: skip
            asked = server.asked.count("www.gov.uk")
            assert gateway.curl(shop).status == 403
            for step, status in steps(morning):
                clock.set(step)
                load.wait(10)
                if status:
                    assert gateway.curl(shop).status == status, step
            out, _ = stream.communicate(timeout=30)
            assert out.count(b"data:") == 40, "a long answer outlives every step"
            # Names are kept for as long as they were, not until some time of day.
            assert server.asked.count("www.gov.uk") == asked
    assert set(load.counts()) == {200}, "no time-out took the step for time that has passed"
    gateway.stop()
    records = sound_log(gateway)
    nothing_passed_unrecorded(records, load.done)
    assert all(record["duration_ms"] < LONGEST * 1000 for record in records)
    (slow,) = (record for record in records if record["url"].endswith("/slow/40"))
    assert slow["duration_ms"] > 3000
    days = {record["start"][:10] for record in records}
    assert len(days) >= 4, "records bear the time that the machine had"
    assert "Traceback" not in gateway.output.read_text()


def steps(morning: datetime) -> list[tuple[datetime, int]]:
    """Times to set, and what the shop answers then (0: not asked)."""
    summer_ends = datetime(morning.year, 10, 25, 0, 59, 59, tzinfo=ZoneInfo("UTC"))
    summer_ends += timedelta(days=6 - summer_ends.weekday())  # a Sunday; the last one or not
    return [
        (morning + timedelta(hours=1), 403),
        (morning, 403),
        (morning + timedelta(hours=2), 200),  # 12:30: the break
        (morning + timedelta(minutes=1), 403),
        (morning.replace(hour=23, minute=59, second=59), 0),
        (morning + timedelta(days=1), 0),
        (summer_ends, 0),
        (datetime(morning.year, 3, 29, 0, 59, 59, tzinfo=ZoneInfo("UTC")), 0),
        (morning, 403),
    ]
