"""Every example in the README and the documents runs, or is read by what it is for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support import documented
from support.documented import DOCUMENTS, TOP, blocks, commands, needs, of_line
from support.faketime import FAKETIME, wall_clock

from proxy_addons.settings.load import examine
from proxy_addons.settings.problems import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

STORIES = needs()
ELSEWHERE: dict[str, dict[str, str | None]] = STORIES.pop("blocks")
WITH_COMMANDS = [document for document in DOCUMENTS if commands(document)]
KINDS = sorted({(document, kind) for document in DOCUMENTS for kind in documented.kinds(document)})
NOW = "2026-12-01 09:00:00"  # of what examples name nothing has ended then


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What the commands of the documents did, in a process with a clock of its own."""
    if FAKETIME is None:
        pytest.skip("needs faketime, to be at a certain time (Debian: faketime)")
    done = subprocess.run(
        [sys.executable, "-m", "support.documented", str(tmp_path_factory.mktemp("examples"))],
        env=os.environ | wall_clock(
            FAKETIME=f"@{NOW}", TZ="Europe/London", PYTHONPATH=f"{TOP}/tests:{TOP}",
            FAKETIME_DONT_FAKE_MONOTONIC="0",  # these commands sleep, and wait for no condition
        ),
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("document", WITH_COMMANDS)
def test_the_commands_of_a_document_do_what_it_says(
    document: str, told: dict[str, list[dict[str, Any]]]
) -> None:
    story = STORIES.get(document, {})
    ran = told[document]
    for done in ran:
        entry = of_line(story, done["line"])
        assert done["code"] == entry.get("code", 0), done
        assert not entry.get("says") or entry["says"] in done["out"] + done["err"], done
    lines = commands(document)
    left = [line for line in lines if "instead" not in of_line(story, line)]
    assert [done["line"] for done in ran if not done["line"].startswith("before: ")] == left


def test_what_is_run_elsewhere_is() -> None:
    for story in STORIES.values():
        for entry in story.get("lines", {}).values():
            if "instead" in entry:
                tests = [word.strip(",;") for word in entry["instead"].split() if "tests/" in word]
                assert tests, entry
                assert all((TOP / test).exists() for test in tests), entry


def test_stories_are_of_examples() -> None:
    """What stands in examples.yaml and is in no document any more would hide what is missing."""
    for document, story in STORIES.items():
        said = [line[line.index("watchhouse ") + 11 :] for line in commands(document)]
        for begin in story.get("lines", {}):
            assert any(line.startswith(begin) for line in said), (document, begin)
    for document, of_kind in ELSEWHERE.items():
        for kind, test in of_kind.items():
            assert (document, kind) in KINDS
            assert test is None or (TOP / test).exists()


def test_a_program_s_words_stand_for_no_shell_example() -> None:
    """What is not run must be marked so: a shell example without a language would escape."""
    for document in DOCUMENTS:
        for block in blocks(document, ""):
            assert not block.lstrip().startswith(("$", "#!")), (document, block)


@pytest.mark.parametrize(("document", "kind"), KINDS)
def test_every_block_has_its_reader(document: str, kind: str, tmp_path: Path) -> None:
    if kind in ELSEWHERE.get(document, {}):
        return  # its reader is looked for above
    found = blocks(document, kind)
    if kind == "yaml":
        whole = ""
        for block in found:
            # What is indented goes on where the block before it ended.
            whole = whole + block if block.startswith(" ") else block
            read_as_settings(whole, STORIES.get(document, {}).get("settings", {}), tmp_path)
    elif kind == "json":
        for block in found:
            assert json.loads(block)
    else:
        assert kind == "sh", f"{document}: who reads blocks of the kind {kind!r}?"


_SECRETS = (
    "DIRECTORY_PASSWORD", "FEED_MASK_KEY", "ALERT_SECRET", "WATCHHOUSE_OIDC_SECRET",
)  # fmt: skip


def read_as_settings(block: str, others: dict[str, Any], folder: Path) -> None:
    """A part of `watchhouse.yaml`: nothing is wrong with it but files that are not there."""
    parsed = yaml.safe_load(block)
    if set(parsed) <= {"scrape_configs", "groups"}:
        return  # Prometheus's; tests/portal/test_deployment_doc.py knows its metrics
    config = folder / "config"
    config.mkdir(exist_ok=True)
    for name in ("policy.yaml", "statement.md"):
        (config / name).write_bytes((TOP / "config" / name).read_bytes())
    (config / "watchhouse.yaml").write_text(
        yaml.safe_dump(documented.merged(others, parsed)), "utf-8"
    )
    environ = dict.fromkeys(_SECRETS, "sixteen-letters!") | {"EXIT_LOGIN": "user:password"}
    try:
        examine(config, environ=environ)
    except SettingsError as problem:
        wrong = [line for line in str(problem).splitlines() if ": there is no file " not in line]
        assert not wrong, wrong
