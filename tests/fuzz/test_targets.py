"""The targets of scripts/fuzz, briefly and always with the same inputs.

What was found before stays as a case in `cases/<target>/`.
"""

from __future__ import annotations

import importlib
import sys
from itertools import islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPTS = str(Path(__file__).resolve().parents[2] / "scripts")
CASES = Path(__file__).parent / "cases"
# Inputs of each target: about a second.
COUNTS = {
    "types": 1500,
    "urlkey": 3000,
    "lists": 2000,
    "formats": 120,
    "publishers": 200,
    "archives": 300,
    "members": 300,
    "settings": 60,
    "cases": 60,
    "hello": 120,
    "requests": 80,
    "answers": 80,
    "scanners": 5000,
    "documents": 500,
    "uploads": 600,
    "redirector": 250,
    "squidguard": 400,
}


@pytest.fixture(scope="module", autouse=True)
def _fuzzlib_importable() -> Iterator[None]:
    sys.path.insert(0, SCRIPTS)
    yield
    sys.path.remove(SCRIPTS)


def module(name: str) -> Any:
    return importlib.import_module(f"fuzzlib.{name}")


def test_every_target_is_tried_here() -> None:
    assert set(COUNTS) == set(module("target").NAMES)
    assert {folder.name for folder in CASES.iterdir()} <= set(COUNTS)


@pytest.mark.parametrize("name", COUNTS)
def test_a_target_holds(name: str) -> None:
    target = module("target").target(name)
    inputs = module("mutation").inputs(target.seeds(), target.words(), Random(2026))
    for number, data in enumerate(islice(inputs, COUNTS[name])):
        try:
            target.check(data)
        except Exception as problem:
            problem.add_note(f"{name}, input {number}: {data!r}")
            raise


@pytest.mark.parametrize(
    "case",
    sorted(CASES.glob("*/*")),
    ids=lambda case: f"{case.parent.name}/{case.name}",
)
def test_what_was_found_before(case: Path) -> None:
    module("target").target(case.parent.name).check(case.read_bytes())


def test_the_same_seed_gives_the_same_inputs() -> None:
    def some(seed: int) -> list[bytes]:
        return list(islice(module("mutation").inputs([b"abc", b"xyz"], [b"--"], Random(seed)), 50))

    assert some(1) == some(1)
    assert some(1) != some(2)
