"""The trail: on the disk before anything is shown, numbered without gaps, sealed like the log."""

from __future__ import annotations

import errno
import gzip
import os
import stat
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from support.disk import Disk

from proxy_addons.accesslog.seal.checking import check
from proxy_addons.accesslog.seal.keys import make
from proxy_addons.accesslog.seal.sealing import Seals, seal
from proxy_addons.accesslog.segment import segments_in
from proxy_addons.audit.trail import LOOK, RECOVERY, STEP, Trail, TrailError
from proxy_addons.audit.trailreader import TrailFilter, TrailReader

if TYPE_CHECKING:
    from pathlib import Path
