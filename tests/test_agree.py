"""squidGuard itself and `watchhouse decide`, asked the same lines (scripts/agree, without Squid).

In: lists of the test's own. Out: passes where every difference has a reason that can be shown.
The whole thing, of 300,000 lines of UT1's lists, is scripts/agree.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import pytest

SCRIPTS = str(Path(__file__).resolve().parents[1] / "scripts")
SQUIDGUARD = Path("/usr/bin/squidGuard")
LINES = 2_000
WORDS = ("north", "river", "garden", "stone", "paper", "cloud", "maple", "harbour", "field", "lamp")
BEFORE = ("", "www.", "ftp3.")
ENDS = ("example", "test", "co.test", "web.test")


def write_lists(folder: Path) -> None:
    """Names, URLs and expressions in twelve categories, near to each other."""
    chance = Random(8)
    for number in range(12):
        category = folder / f"cat_{number}"
        category.mkdir(parents=True)
        names = {
            f"{chance.choice(BEFORE)}{chance.choice(WORDS)}{chance.randrange(40)}.{end}"
            for end in ENDS
            for _ in range(12)
        }
        urls = {
            f"{chance.choice(WORDS)}{chance.randrange(40)}.example/{chance.choice(WORDS)}"
            f"{chance.choice(('', '/', '/x', '.php?a=b'))}"
            for _ in range(20)
        }
        (category / "domains").write_text("\n".join([*sorted(names), f"192.0.2.{number}", ""]))
        (category / "urls").write_text("\n".join([*sorted(urls), ""]))
        if number % 4 == 0:
            (category / "expressions").write_text(f"(^|[./-])casino{number}[^a-z]\nslots?[0-9]+\n")


@pytest.mark.skipif(not SQUIDGUARD.exists(), reason="needs squidGuard (Debian: squidguard)")
def test_both_agree_or_it_is_known_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [SCRIPTS, *sys.path])
    # What is started has the modules that this process has.
    monkeypatch.setenv("PYTHONPATH", str(Path(SCRIPTS).parent))
    from agreelib.__main__ import agreement  # noqa: PLC0415 - it is no package of ours
    from agreelib.reasons import NONE  # noqa: PLC0415 - as above

    write_lists(tmp_path / "lists")
    figures = agreement(tmp_path, LINES, seed=5, times=["2026-11-24T10:30:00"])
    assert figures["reasons"].get(NONE, 0) == 0, figures["examples"][NONE]
    assert figures["differ"] < LINES // 20, figures["reasons"]
    assert LINES // 4 < figures["refused"] < LINES * 3 // 4
    assert figures["not_translated"] == []
