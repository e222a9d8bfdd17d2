"""Every folder of tests/cases/settings_errors is a wrong configuration and what is said of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proxy_addons.settings.load import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.settings.load import Examined

CASES = sorted((Path(__file__).parents[1] / "cases/settings_errors").iterdir())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_said(case: Path, config: Path, look: Callable[..., Examined]):
    shutil.copytree(case, config, dirs_exist_ok=True)
    with pytest.raises(SettingsError) as caught:
        look()
    said = str(caught.value).replace(f"{config.parent}/", "")
    assert said.splitlines() == (case / "expected.txt").read_text().splitlines()
