"""A worker's log under a limit on the size of a file, which stands for a disk that is full.

Usage: outgrow_file_size.py DIRECTORY BYTES RECORDS. Writes records until all are written; prints a
JSON object that says what happened to the log's health meanwhile.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from proxy_addons.accesslog import AccessLog, Limits

directory, limit, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
heard: list[str | None] = []
log = AccessLog(
    directory, 1, sync_interval=0.002, limits=Limits(retry_interval=0.01), on_health=heard.append
)
log.start()
for _ in range(count):
    log.begin(method="GET", url="http://example.com/" + "x" * 200).finish(status=200)
    time.sleep(0.0002)
    while log.pending > 50:
        time.sleep(0.001)  # all at once would be more than any file may have
while log.pending:
    time.sleep(0.001)
report = log.close()
json.dump({"heard": heard, "unwritten": len(report.unwritten), "lost": report.lost}, sys.stdout)
