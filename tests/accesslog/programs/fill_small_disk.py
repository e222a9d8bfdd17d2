"""A worker's log on a small disk of its own that fills up and is emptied again.

Usage: fill_small_disk.py MOUNTPOINT, in a private mount namespace, as root. Prints a JSON object.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from proxy_addons.accesslog import AccessLog, Limits

mount = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", mount], check=True)
directory = mount / "log"
heard: list[str | None] = []
log = AccessLog(
    directory, 1, sync_interval=0.002, limits=Limits(retry_interval=0.01), on_health=heard.append
)
log.start()


def wait(condition: str) -> None:
    deadline = time.monotonic() + 20
    while not eval(condition):  # one line of our own, for the message below
        if time.monotonic() > deadline:
            sys.exit(f"waited in vain for: {condition}")
        time.sleep(0.001)


def record() -> None:
    log.begin(method="GET", url="http://example.com/" + "x" * 300).finish(status=200)


# Something else takes all of the room but a little, not a multiple of a line.
ballast = mount / "ballast"
ballast.write_bytes(b"b" * (160 << 10))
while log.healthy:
    record()
    # One line at a time: of several that do not fit, a whole block would be free again.
    wait("not log.pending or not log.healthy")
full = os.statvfs(mount)
for _ in range(50):
    record()  # what is refused is recorded too
time.sleep(0.05)
(segment,) = directory.glob("*.jsonl")
content = segment.read_bytes()
state = {
    "free_blocks_when_full": full.f_bavail,
    "pending_when_full": log.pending,
    "ends_in_whole_line": content.endswith(b"\n"),
    "healthy_when_full": log.healthy,
}
ballast.unlink()
wait("log.healthy")
wait("not log.pending")
last = log.last_seq
report = log.close()
lines = [json.loads(line) for path in sorted(directory.glob("*.jsonl")) for line in path.open("rb")]
state |= {
    "heard": heard,
    "complete": [line["seq"] for line in lines] == list(range(1, last + 1)),
    "unwritten": len(report.unwritten),
    "lost": report.lost,
    "segments": len(list(directory.glob("*.jsonl"))),
}
json.dump(state, sys.stdout)
