"""Configuration folders of the tests' own: the default one with a file replaced."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proxy_addons.settings.load import examine

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.settings.load import Examined

ROOT = Path(__file__).parents[2]
KNOWN = frozenset(each.name for each in (ROOT / "categories/starter").iterdir() if each.is_dir())


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A copy of the default configuration, to be changed."""
    folder = tmp_path / "config"
    folder.mkdir()
    for name in ("watchhouse.yaml", "policy.yaml", "statement.md"):
        shutil.copy(ROOT / "config" / name, folder / name)
    shutil.copytree(ROOT / "config/packs", folder / "packs")
    # The alerts name rules of the default policy; tests have policies of their own.
    main = folder / "watchhouse.yaml"
    before, alerts, after = main.read_text().partition("\nalerts:\n")
    assert alerts
    main.write_text(before + after[after.index("\n# alert_webhooks:") :])
    return folder


@pytest.fixture
def look(config: Path) -> Callable[..., Examined]:
    """Examine that copy, after replacing its files with these texts."""

    def run(
        main: str | None = None,
        policy: str | None = None,
        environ: dict[str, str] | None = None,
        **overrides: str,
    ) -> Examined:
        for name, text in (("watchhouse.yaml", main), ("policy.yaml", policy)):
            if text is not None:
                (config / name).write_text(text, encoding="utf-8")
        return examine(
            config,
            overrides={key.replace("__", "."): value for key, value in overrides.items()},
            environ=environ or {},
            known_categories=KNOWN,
            today=date(2026, 11, 24),
        )

    return run
