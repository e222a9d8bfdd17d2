"""Folders that everybody can reach: pytest's own are closed to others."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def public() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="watchhouse-rights-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
