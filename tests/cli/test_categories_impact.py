"""`watchhouse categories impact`: the log's sites looked up in other lists; counts, never names."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.listserver import tarred
from support.segments import record, write

from proxy_addons.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG = Path(__file__).parents[2] / "config"
PRESENT = {"gambling/domains": "bets.test\nold.test\n", "news/domains": "paper.test\n"}
OTHER = {
    "gambling/domains": "bets.test\npaper.test\n",
    "news/domains": "",
    "gambling/urls": "mixed.test/casino\n",
    "reference/domains": "few.test\nneutral.test\n",
}

type Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    folder = tmp_path / "categories"
    (folder / "starter" / "tax").mkdir(parents=True)
    (folder / "starter" / "tax" / "domains").write_text("tax.test\n")
    where = ["--config", str(CONFIG), "--data", str(tmp_path / "var")]

    def command(*arguments: str) -> tuple[int, str, str]:
        code = main(["categories", *arguments, *where, "--set", f"categories_dir={folder}"])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


def logged(folder: Path, asked: dict[str, int], *, days_ago: float = 1) -> None:
    """Requests in the log: so many people for each address, each twice."""
    at = datetime.now(UTC) - timedelta(days=days_ago)
    records, number = [], 0
    for url, people in asked.items():
        for place in range(2 * people):
            number += 1
            more: dict[str, Any] = {
                "url": f"http://{url}", "host": url.partition("/")[0], "port": 80, "kind": "http",
                "method": "GET", "profile": "standard", "rule": "news", "person": f"pc{place // 2}",
                "states": [], "findings": [], "altered": [],
            }  # fmt: skip
            records.append(record(number, 1, at, **more))
    write(folder, at.strftime("%Y%m%dT%H"), records, number=int(days_ago * 10) + 1)


@pytest.fixture
def prepared(run: Run, tmp_path: Path) -> Path:
    """Lists in force, a log, another list; gives the latter."""
    (tmp_path / "bl.tar.gz").write_bytes(tarred(PRESENT))
    assert run("import", str(tmp_path / "bl.tar.gz"))[0] == 0
    access = tmp_path / "var/log/access"
    logged(
        access,
        {
            "paper.test/a": 12, "old.test/": 11, "bets.test/": 15, "mixed.test/casino/1": 10,
            "mixed.test/other": 20, "few.test/": 9, "neutral.test/": 14, "tax.test/": 10,
        },
    )  # fmt: skip
    logged(access, {"paper.test/long-ago": 30}, days_ago=20)
    other = tmp_path / "new.tar.gz"
    other.write_bytes(tarred(OTHER))
    return other


def test_what_changes(run: Run, prepared: Path) -> None:
    code, out, err = run("impact", str(prepared), "--name", "bl", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["requests"] == found["replayed"] == 2 * (12 + 11 + 15 + 10 + 20 + 9 + 14 + 10)
    changes = {
        (tuple(each["categories_were"]), tuple(each["categories_become"])): each
        for each in found["changes"]
    }
    paper = changes[("news",), ("gambling",)]
    assert paper["was"] == "allow news"
    assert paper["becomes"].startswith("block ")
    assert (paper["requests"], paper["people"], paper["sites"]) == (24, 12, 1)
    assert paper["top_sites"] == [{"host": "paper.test", "requests": 24, "people": 12}]
    opened = changes[("gambling",), ()]
    assert opened["was"].startswith("block ")
    assert (opened["requests"], opened["people"]) == (22, 11)
    assert changes[(), ("gambling",)]["requests"] == 20
    reference = changes[(), ("reference",)]
    # few.test, of nine people, is not among the sites that are named.
    assert (reference["requests"], reference["people"], reference["sites"]) == (46, 14, 2)
    assert [each["host"] for each in reference["top_sites"]] == ["neutral.test"]
    assert len(changes) == 4
    assert "pc1" not in out


def test_of_few_people_there_are_no_figures(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bl.tar.gz").write_bytes(tarred(PRESENT))
    run("import", str(tmp_path / "bl.tar.gz"))
    logged(tmp_path / "var/log/access", {"paper.test/": 9})
    (tmp_path / "new.tar.gz").write_bytes(tarred(OTHER))
    arguments = ("impact", str(tmp_path / "new.tar.gz"), "--name", "bl")
    (change,) = json.loads(run(*arguments, "--json")[1])["changes"]
    assert [change[name] for name in ("requests", "people", "sites", "top_sites")] == [
        None, None, None, [],
    ]  # fmt: skip
    code, out, _ = run(*arguments)
    assert code == 0
    assert "fewer than 10" in out
    assert "paper.test" not in out


def test_in_words(run: Run, prepared: Path) -> None:
    code, out, _ = run("impact", str(prepared), "--name", "bl")
    assert code == 0
    verdicts, _, others = out.partition("\ncategories change, verdicts do not:")
    assert "verdicts change:" in verdicts
    assert "allow news (news)" in verdicts
    assert "paper.test (24)" in verdicts
    assert "neutral.test" in others or "neutral.test" in verdicts
    assert run("impact", "bl@20260101T000000Z")[0] == 1
    assert "no such file" in run("impact", "none.tar.gz")[2]
    assert "at least one day" in run("impact", str(prepared), "--days", "0")[2]


def test_the_same_lists_change_nothing(run: Run, prepared: Path, tmp_path: Path) -> None:
    before = (tmp_path / "var/categories.index").read_bytes()
    code, out, _ = run("impact", str(tmp_path / "var/categories.index"))
    assert (code, out.splitlines()[-1]) == (0, "Nothing changes.")
    run("impact", str(prepared), "--name", "bl")
    assert (tmp_path / "var/categories.index").read_bytes() == before
    assert not list((tmp_path / "var/lists").glob(".impact.*"))
