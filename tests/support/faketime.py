"""A wall clock of its own for a process: what Debian's faketime must be told.

In: what it is to say. Out: the process's environment.
Must never: move the monotonic clock, by which time-outs go.
"""

from __future__ import annotations

from pathlib import Path

FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)


def wall_clock(**names: str) -> dict[str, str]:
    """The environment of a process with a wall clock of its own.

    In it `time.sleep` fails ("Invalid argument"): faketime 0.9.10 knows no monotonic moment to
    sleep to. With FAKETIME_DONT_FAKE_MONOTONIC="0" it sleeps, and waits for a condition never end.

    Args:
        names: faketime's own variables: `FAKETIME`, or `FAKETIME_TIMESTAMP_FILE` and what goes with
            it; and others, as `TZ`.
    """
    return {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # Unless told, Debian's build takes each wait on a condition for one by the wall clock.
        # Python waits by the monotonic one: a thread that waits for the interpreter's lock would
        # never sleep, but ask again and again.
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        **names,
    }
