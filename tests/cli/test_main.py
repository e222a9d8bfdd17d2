from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import proxy_addons
from proxy_addons.cli import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Done  # type: ignore[import-not-found]

ROOT = Path(__file__).parents[2]


def test_the_help_names_every_command(watchhouse: Callable[..., Done]):
    done = watchhouse("--help")
    assert done.code == 0
    for command in COMMANDS:
        # Python 3.12 puts a longer name on a line of its own.
        assert re.search(rf"\n    {command}\s", done.out), command


def test_the_version(watchhouse: Callable[..., Done]):
    assert watchhouse("--version").out.strip() == f"watchhouse {proxy_addons.__version__}"


@pytest.mark.parametrize("arguments", [[], ["no-such-command"], ["check", "--no-such-option"]])
def test_wrong_usage(watchhouse: Callable[..., Done], arguments: list[str]):
    done = watchhouse(*arguments)
    assert done.code == 2
    assert "usage: watchhouse" in done.err


@pytest.mark.parametrize("wrong", ["listen.proxy", "=1", ""])
def test_what_is_no_pair_is_wrong_usage(watchhouse: Callable[..., Done], wrong: str):
    done = watchhouse("check", "--set", wrong)
    assert done.code == 2
    assert "wanted KEY=VALUE" in done.err


def test_a_command_imports_no_other_and_no_engine():
    """A short command stays fast: what it does not need is not imported."""
    program = (
        "import sys; from proxy_addons.cli import main\n"
        "main(['explain', 'x', '--data', '/nonexistent'])\n"
        "print(sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    imported = done.stdout
    assert "'proxy_addons.cli.explain'" in imported
    unwanted = [f"proxy_addons.cli.{each}" for each in COMMANDS if each != "explain"]
    for module in (*unwanted, "mitmproxy", "aiohttp", "rich", "proxy_addons.engine"):
        assert f"'{module}'" not in imported


def test_a_reader_that_has_left_is_no_error_message():
    """`watchhouse … | head` ends quietly."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-c", "from proxy_addons.cli import main; main(['check'])"],
            cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    finally:
        os.close(writer)
    assert done.stderr == ""
