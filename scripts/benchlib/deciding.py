"""Decisions in one process, without an engine: what the gate costs by itself.

In: a configuration folder, an index, files of lines as squidGuard reads them (`URL IP/- - GET`).
Out (JSON on standard output): CPU of the lines of each file, three ways: the decision alone; what
passes, with the gate around it and a record begun and finished, as the engine asks for each of its
requests; what is refused, likewise, with its page. In `FILE.decided`, for comparing: one character
a line.
Must never: decide a line beforehand, or count the opening of the index as a decision.

Run as a process of its own: `python -m benchlib.deciding CONFIG INDEX LOG LINES...`.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchlib.memory import proportional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy_addons.gate.basis import Basis
    from proxy_addons.gate.facts import Visitor
    from proxy_addons.gate.gate import Gate

# Records in hand at a time, as of a worker with so many requests open; between them it rests as a
# worker does between its requests, so that the writer's thread has its turn.
OPEN_AT_ONCE = 500
PAUSE = 0.002
# Refusals that are made with their page: each costs as much as many decisions.
MOST_REFUSALS = 5_000
SELF = "self"
BLOCKED, PASSED = b"B-"


def main(config: Path, index_file: Path, log_folder: Path, files: Sequence[Path]) -> dict[str, Any]:
    """Load, then decide every line of every file."""
    from proxy_addons.accesslog import AccessLog
    from proxy_addons.categorisation import CategoryIndex
    from proxy_addons.engine.tuning import tune
    from proxy_addons.gate.gate import Gate, basis_of
    from proxy_addons.gate.people import NOTHING_STANDING
    from proxy_addons.settings.load import load

    tune()  # as a worker does
    found: dict[str, Any] = {"files": {}}
    empty, start = _size(), time.process_time()
    settings = load(config, environ={})
    found["load_seconds"] = time.process_time() - start
    without_index = basis_of(settings, None)
    gc.collect()
    found["settings_mb"] = (_size() - empty) / 1e6
    del without_index
    index = CategoryIndex.open(index_file)
    gc.collect()
    gc.freeze()
    for file in files:
        lines = file.read_text(encoding="utf-8").splitlines()
        row = found["files"][file.name] = {"lines": len(lines)}
        row["decision_us"], blocked = _decide(basis_of(settings, index), lines, file)
        recorded = 0
        log = AccessLog(log_folder, 1)
        log.start()
        try:
            # A basis of its own: nothing that it remembers was learnt before.
            gate = Gate(basis_of(settings, index), log, standing=NOTHING_STANDING)
            for key, wanted in (("recorded_us", False), ("refused_us", True)):
                which = [line for line, b in zip(lines, blocked, strict=True) if b is wanted]
                if wanted:
                    which = which[:MOST_REFUSALS]
                recorded += len(which)
                row[key] = _record(gate, which) if which else 0.0
        finally:
            log.close()
        segments = [path for path in log_folder.iterdir() if path.suffix == ".jsonl"]
        row["records"] = sum(path.read_bytes().count(b"\n") for path in segments)
        row["octets_a_record"] = sum(path.stat().st_size for path in segments) / recorded
        row["recorded"] = recorded
        for path in segments:
            path.unlink()
    return found


def _decide(basis: Basis, lines: list[str], file: Path) -> tuple[float, list[bool]]:
    """A line in, a decision out: CPU microseconds of one, and which lines are blocked."""
    from proxy_addons.gate.judge import judge
    from proxy_addons.policy.model import Action, Moment
    from proxy_addons.urlkey import url_key

    decider, index, person = basis.decider, basis.index, basis.people.person
    assert index is not None
    moment = Moment(datetime.now(UTC).astimezone(basis.settings.policy.time_zone))
    decided = bytearray()
    start = time.process_time()
    for line in lines:
        url, client, _, method = line.split()
        judgement = judge(
            decider, index, person(client.partition("/")[0]), (url_key(url),), method, moment
        )
        decided.append(BLOCKED if judgement.decision.action is Action.BLOCK else PASSED)
    spent = time.process_time() - start
    file.with_suffix(".decided").write_bytes(bytes(decided))
    return 1e6 * spent / len(lines), [mark == BLOCKED for mark in decided]


def _record(gate: Gate, lines: list[str]) -> float:
    """The facts of a request in, a verdict and a finished record out: CPU microseconds of one.

    The facts are taken from the lines before: the engine has them from its parser.
    """
    from proxy_addons.gate.facts import RequestFacts

    asked = []
    for line in lines:
        url, client, _, method = line.split()
        parts = urlsplit(url)
        asked.append((client.partition("/")[0], method, parts.netloc, parts.path))
    spent = 0.0
    visitors: dict[str, Visitor] = {}  # each client has one connection, and keeps it
    for first in range(0, len(asked), OPEN_AT_ONCE):
        start = time.process_time()
        for client, method, host, path in asked[first : first + OPEN_AT_ONCE]:
            visitor = visitors.get(client)
            if visitor is None:
                visitor = visitors[client] = gate.connected(client, 40000)
            facts = RequestFacts(method, host, host, 1, path, "text/html")
            transaction = gate.request(visitor, facts).transaction
            assert transaction is not None
            transaction.finish(status=200, bytes_up=300, bytes_down=1024)
        time.sleep(PAUSE)
        spent += time.process_time() - start
    return 1e6 * spent / len(asked)


def _size() -> int:
    return proportional([SELF])


if __name__ == "__main__":
    _config, _index, _log, *_files = map(Path, sys.argv[1:])
    print(json.dumps(main(_config, _index, _log, _files)))
