"""The code under test, reachable by a user without rights wherever it is installed.

In: the folders that such a user must reach. Out: the beginning of a command line.
Must never: change anything outside the mount namespace that it makes. Needs root.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from support.gateway import ROOT

if TYPE_CHECKING:
    from pathlib import Path

# $1: a folder for binding; then needed folders; --; the command. Folders that others may not pass
# are covered by an empty one, in which only what is needed is put back.
_SCRIPT = """
set -e
mount --make-rprivate /
stage=$1; shift
number=0; closed=
for path in "$@"; do
    [ "$path" != -- ] || break
    number=$((number + 1))
    mkdir -p "$stage/$number"
    mount --rbind "$path" "$stage/$number"
done
number=0
while [ "$1" != -- ]; do
    path=$1; shift
    number=$((number + 1))
    top=$(
        at=$path; found=
        while [ "$at" != / ]; do
            case $(stat -c %A "$at") in *[xt]) ;; *) found=$at ;; esac
            at=$(dirname "$at")
        done
        printf %s "$found"
    )
    if [ -n "$top" ]; then
        mount -t tmpfs -o mode=755 none "$top"
    fi
    if [ -n "$top" ] || [ ! -d "$path" ]; then
        mkdir -p "$path"
        mount --rbind "$stage/$number" "$path"
    fi
done
shift
exec "$@"
"""


def opened(stage: Path) -> list[str]:
    """What to put before a command so that everybody can reach Python and this checkout.

    Args:
        stage: an empty folder that only root needs to reach.
    """
    needed = dict.fromkeys(os.path.realpath(path) for path in (sys.base_prefix, sys.prefix, ROOT))
    return ["unshare", "--mount", "sh", "-c", _SCRIPT, "sh", str(stage), *needed, "--"]
