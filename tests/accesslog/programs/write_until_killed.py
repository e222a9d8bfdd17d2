"""A worker's log that is written to until somebody kills the process.

Usage: write_until_killed.py DIRECTORY. Prints one JSON list a line, unbuffered: `["appended", seq,
monotonic time]` right after each record was queued, `["durable", count, lag]` from time to time.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from proxy_addons.accesslog import AccessLog


def say(*what: object) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


log = AccessLog(Path(sys.argv[1]), 1)
log.start()
while True:
    transaction = log.begin(method="GET", url="http://example.com/" + "x" * 400)
    transaction.finish(status=200)
    say("appended", log.last_seq, time.monotonic())
    if log.last_seq % 10 == 0:
        say("durable", log.written, log.lag)
    time.sleep(0.0005)
