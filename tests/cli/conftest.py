"""The command as a user types it, with a compiled index of the starter lists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proxy_addons.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the index of the starter lists."""
    from proxy_addons.categorisation import (  # noqa: PLC0415 - only for tests that need it
        SourceFolders,
        ensure_index,
    )

    folder = tmp_path_factory.mktemp("data")
    lists = SourceFolders(ROOT / "categories", folder / "lists")
    ensure_index(lists, folder / "categories.index")
    return folder


@pytest.fixture
def quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the environment that the tests were started in."""
    for name in ("CONFIG", "DATA", "LISTEN_PROXY", "LISTEN_PORTAL", "LISTEN_WORKERS"):
        monkeypatch.delenv(f"WATCHHOUSE_{name}", raising=False)
    monkeypatch.setenv("WATCHHOUSE_CONFIG", str(ROOT / "config"))
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def watchhouse(
    quiet_environment: None,  # noqa: ARG001 - it only has to be there
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Done]:
    """Run the command; wrong usage ends in exit code 2 as it does in a shell."""

    def run(*arguments: str) -> Done:
        try:
            code = main(list(arguments))
        except SystemExit as ending:
            code = int(ending.code or 0)
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return run
