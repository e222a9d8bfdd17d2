"""`watchhouse categories update` and what goes with it, as a person or a timer meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.listserver import names, tarred

from proxy_addons.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG = Path(__file__).parents[2] / "config"
GAMES = {"games/domains": names(0, 200), "chat/domains": "chat.test\n"}

type Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    folder = tmp_path / "categories"
    (folder / "starter" / "news").mkdir(parents=True)
    (folder / "starter" / "news" / "domains").write_text("news.test\n")
    (folder / "sources.yaml").write_text(
        f"version: 1\nsources:\n  - {{name: bl, url: {tmp_path}/bl.tar.gz}}\n"
        f"  - {{name: gone, url: {tmp_path}/gone.tar.gz, enabled: false}}\n"
    )
    where = ["--config", str(CONFIG), "--data", str(tmp_path / "var")]

    def command(*arguments: str) -> tuple[int, str, str]:
        code = main(["categories", *arguments, *where, "--set", f"categories_dir={folder}"])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


def test_a_life_of_a_list(run: Run, tmp_path: Path) -> None:
    offered = tmp_path / "bl.tar.gz"
    offered.write_bytes(tarred(GAMES))
    assert run("held") == (0, "no list is held back\n", "")
    assert run("history")[1].startswith("no versions are kept")
    code, out, err = run("update", "--dry-run")
    assert (code, out, err) == (0, "bl: new: 201 entries, 201 new, 0 gone\n", "")
    code, out, _ = run("update", "--json")
    assert code == 0
    (updated,) = json.loads(out)
    assert (updated["status"], updated["entries"]) == ("updated", 201)
    assert run("update") == (0, "bl: unchanged\n", "")

    offered.write_bytes(tarred({"games/domains": names(100, 200)}))
    code, out, err = run("update")
    assert (code, out) == (3, "")
    assert "bl: held back to 2" in err
    assert "category games loses 100 of 200 entries (50%): site" in err
    assert "category chat vanishes with its 1 entries: chat.test\n" in err
    assert "watchhouse categories confirm bl" in err
    assert run("lookup", "site7.test")[1].splitlines()[1] == "games"
    code, out, _ = run("held")
    assert code == 3
    assert "category games loses 100 of 200" in out
    held = json.loads(run("held", "--json")[1])[0]["version"]
    code, out, _ = run("diff", "bl", f"bl@{held}", "--json")
    found = json.loads(out)
    assert found["whole"]["removed"] == 101
    assert found["categories"]["games"]["removed"] == 100
    assert found["categories"]["games"]["after"] == 100

    code, out, _ = run("confirm", "bl")
    assert (code, out) == (0, f"bl: {held} is in force\n")
    assert run("lookup", "site7.test")[1].splitlines()[1] == "uncategorised"
    code, _, err = run("confirm", "bl")
    assert (code, err) == (1, "watchhouse: bl: nothing is held back\n")

    code, out, _ = run("rollback", "bl")
    assert code == 0
    assert f"bl: {updated['version']} is in force, and pinned" in out
    assert run("lookup", "site7.test")[1].splitlines()[1] == "games"
    out = run("update")[1]
    assert "bl: pinned to" in out
    assert "categories unpin bl" in out
    code, out, _ = run("history")
    lines = {line.split()[1]: line for line in out.splitlines() if line.startswith("bl ")}
    assert "in force, pinned" in lines[updated["version"]]
    assert str(offered) in lines[held]
    told = json.loads(run("history", "--json")[1])["bl"]
    assert (told["pinned"], told["in_force"]) == (updated["version"], updated["version"])
    assert run("unpin", "bl")[1].startswith("bl: pinned no more")
    assert run("update", "--confirm", "bl")[1].startswith("bl: updated to")
    assert run("lookup", "site7.test")[1].splitlines()[1] == "uncategorised"


def test_failures_say_so(run: Run, tmp_path: Path) -> None:
    code, out, err = run("update", "gone")
    assert (code, out) == (1, "")
    assert err == "gone: failed: cannot be reached or read: No such file or directory\n"
    assert run("history", "gone")[1].startswith("no versions")
    code, _, err = run("update", "bll")
    assert code == 1
    assert err == (
        f'watchhouse: {tmp_path}/categories/sources.yaml: no source "bll"; did you mean bl?\n'
    )
    code, _, err = run("rollback", "bl")
    assert code == 1
    assert "bl has no version before the one in force" in err
    code, _, err = run("rollback", "bl", "20260101T000000Z")
    assert err == (
        'watchhouse: bl has no version "20260101T000000Z"; there are: none\n'
    ) or err.startswith("watchhouse: bl has no version '20260101T000000Z'; there are: none")
    (tmp_path / "categories" / "sources.yaml").write_text("version: 1\nsources: [{name: bl}]\n")
    code, _, err = run("update")
    assert code == 1
    assert "sources.yaml:2: sources[0].url: not given" in err


def test_no_source_at_all(run: Run, tmp_path: Path) -> None:
    (tmp_path / "categories" / "sources.yaml").write_text("version: 1\nsources: []\n")
    assert run("update")[:2] == (
        0, "nothing to do: sources.yaml has no source that is enabled\n",
    )  # fmt: skip


def test_check_reads_the_sources(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "categories"
    folder.mkdir()
    (folder / "starter").symlink_to(CONFIG.parent / "categories" / "starter")
    (folder / "sources.yaml").write_text("version: 1\nsources: [{name: bl}]\n")
    assert main(["check", "--config", str(CONFIG), "--set", f"categories_dir={folder}"]) == 1
    assert "sources.yaml:2: sources[0].url: not given" in capsys.readouterr().err


def test_differences_of_paths(run: Run, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new.tar.gz"
    for file, text in {"a/domains": "x.test\ny.test\n", "b/domains": "z.test\n"}.items():
        (old / file).parent.mkdir(parents=True)
        (old / file).write_text(text)
    new.write_bytes(tarred({"a/domains": "y.test\n", "b/domains": "z.test\nx.test\nw.test\n"}))
    code, out, _ = run("diff", str(old), str(new))
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert lines[1][:4] == ["b", "1", "3", "2"]
    assert ["a", "2", "1", "1", "-x.test"] in lines
    assert ["a", "b", "1", "x.test"] in lines
    assert out.splitlines()[-1] == "3 entries before, 4 after: 1 new, 0 gone, 1 moved"
    assert run("diff", str(old), str(old))[1] == "no difference: 3 entries\n"
    code, _, err = run("diff", str(old), str(tmp_path / "none"))
    assert code == 1
    assert "there is no such file or folder" in err
    assert not list((tmp_path / "var" / "lists" / ".compared").iterdir())


def test_differences_of_an_index(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bl.tar.gz").write_bytes(tarred(GAMES))
    run("update")
    found = json.loads(run("diff", "starter", "index", "--json")[1])
    assert found["whole"]["before"] == 1
    assert found["whole"]["added"] == 201
    assert set(found["categories"]) == {"games", "chat"}
    assert run("diff", "index", "index")[1] == "no difference: 202 entries\n"
