"""The process in which files are examined: `python -m proxy_addons.content.examining`.

In: a socket as standard input: of each request a line of JSON and the file's descriptor. Out: a
line of JSON each. Must never: be imported by the gateway; have a secret of the gateway's in memory.

Whatever happens in here, the gateway treats as "cannot be read" (examiner.py): so nothing is caught
that is not understood.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy_addons.content.archives import (
    Members,
    examine_archive,
    is_container,
    missing,
    together,
)
from proxy_addons.content.confine import confine, processor_time
from proxy_addons.content.declared import Declared
from proxy_addons.content.types import HEAD, types_of_file
from proxy_addons.policy.findings import SENDS, found
from proxy_addons.settings.content import Archives as Limits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet
    from typing import BinaryIO

_UNREAD = found(SENDS, ["unread"])
MOST: int = 1 << 16
"""Bytes of a request, and of an answer."""
NO_MEMORY, NO_DISK = 3, 4
"""Statuses with which it ends."""


def main(argv: Sequence[str] | None = None) -> int:
    """Answers until nobody asks any more."""
    parser = argparse.ArgumentParser(prog="proxy_addons.content.examining")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--limits", type=json.loads, required=True)
    parser.add_argument("--memory", type=int, required=True)
    args = parser.parse_args(argv)
    limits = Limits(**args.limits)
    asking = socket.socket(fileno=0)
    # What is needed is loaded while files can still be opened.
    lacks = missing()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    done = confine(args.folder, limits.size + (1 << 20), args.memory)
    asking.send(json.dumps({"missing": lacks, "confined": done}).encode())
    os.dup2(nowhere, 2)  # from here on, tracebacks quote what strangers wrote
    while True:
        request, descriptors, _, _ = socket.recv_fds(asking, MOST, 1)
        if not request:
            return 0
        processor_time(2 * limits.seconds + 1)
        # Where either runs out, this process ends and says by its status which: it could not be
        # relied on any more. The file counts as one that cannot be read.
        try:
            with os.fdopen(descriptors[0], "rb") as file:
                answer = examined(file, json.loads(request), limits, args.folder)
        except MemoryError:
            return NO_MEMORY
        except OSError:
            return NO_DISK
        asking.send(json.dumps(answer).encode())


def examined(file: BinaryIO, request: Any, limits: Limits, folder: Path) -> dict[str, Any]:
    """Examines one file.

    Args:
        file: it.
        request: `declared`: names, content type, attachment; `sent`: whether its text counts.
        limits: how far archives are looked into.
        folder: for files without names.
    """
    names, content_type, attachment = request["declared"]
    declared = Declared(tuple(names), content_type, attachment)
    visit = _said if request["sent"] else None
    types = types_of_file(file, declared)
    said = frozenset(visit(file, types, declared.names) if visit else ())
    file.seek(0)
    if is_container(types, file.read(HEAD)):
        members = examine_archive(
            file, limits, declared, folder=folder, visit=visit, clock=time.process_time
        )
    else:
        members = Members()
    return {
        "types": sorted(together(types, members.itself)),
        "members": sorted(members.types),
        "first": members.first,
        "said": sorted(said | members.said),
    }


def _said(file: BinaryIO, types: frozenset[str], names: tuple[str, ...]) -> AbstractSet[str]:
    """What a document says that is sent: its marking, addresses."""
    from proxy_addons.content.documents import findings_of  # noqa: PLC0415 - most requests have none

    try:
        return findings_of(file, types, next(filter(None, names), ""))
    except Exception:  # noqa: BLE001 - whatever hostile bytes make of a reader of documents
        return _UNREAD  # what is sent counts as unread; the look at what it is goes on


if __name__ == "__main__":
    raise SystemExit(main())
