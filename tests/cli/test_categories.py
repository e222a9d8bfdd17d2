"""`watchhouse categories` as a person or a script meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proxy_addons.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG = Path(__file__).parents[2] / "config"

type Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: str) -> tuple[int, str, str]:
        code = main(
            ["categories", *arguments, "--config", str(CONFIG), "--data", str(tmp_path / "var")]
        )
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for file, content in {
        "gadgets/domains": "gadget.test\n*.wrong.test\n",
        "gadgets/urls": "other.test/gadgets\n",
        "adverts/expressions": "/banner/\n",
    }.items():
        path = tmp_path / "mine" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "mine" / "gear").symlink_to("gadgets")
    return tmp_path / "mine"


def test_import_look_up_list(run: Run, source: Path) -> None:
    code, out, err = run("import", str(source))
    assert code == 0
    assert "imported list mine, read as squidguard: 3 categories; 1 lines not used" in out
    assert "the same entries as gadgets" in out
    assert "compiled" in out
    assert err == "mine/gadgets/domains:2: a name covers its subdomains: leave out the *\n"

    code, out, _ = run("lookup", "WWW.gadget.test/banner/", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["url"] == "https://www.gadget.test/banner/"
    assert found["categories"] == ["adverts", "gadgets", "gear"]
    assert {
        "list": "mine",
        "category": "gadgets",
        "kind": "domains",
        "entry": "gadget.test",
        "counts": True,
        "exception": False,
    } in found["matches"]

    code, out, _ = run("list", "--json")
    listed = json.loads(out)
    assert code == 0
    assert listed["categories"]["gadgets"] == {
        "domains": 1,
        "hosts": 0,
        "urls": 1,
        "expressions": 0,
        "lists": ["mine"],
        "description": "",
    }
    assert listed["categories"]["webmail"]["lists"] == ["starter"]
    assert listed["list_version"] == found["list_version"]

    code, out, _ = run("list")
    assert code == 0
    row = next(line for line in out.splitlines() if line.startswith("gadgets "))
    assert row.split() == ["gadgets", "1", "1", "mine"]
    assert f"version {listed['list_version']}" in out
    assert "1 lines are not used" in out

    code, out, _ = run("import", str(source), "--name", "mine")
    assert code == 0
    assert "replaced list mine" in out


def test_look_up_for_people(run: Run) -> None:
    assert run("compile")[0] == 0
    code, out, _ = run("lookup", "http://www.hotmail.com/x")
    assert code == 0
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[:2] == ["http://www.hotmail.com/x", "webmail"]
    assert lines[3].split() == ["webmail", "starter", "domain", "hotmail.com"]
    assert run("lookup", "unlisted.test")[1] == "https://unlisted.test/\nuncategorised\n"


def test_compile_says_what_it_did(run: Run) -> None:
    code, out, err = run("compile")
    assert code == 0
    assert "compiled " in out
    assert "version " in out
    assert err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lookup", "example.test"], "there is no category index; make it anew with"),
        (["list"], "there is no category index"),
        (["import", "/nonexistent/list.tar"], "there is no such file"),
        (["import", str(CONFIG)], "nothing in it tells the format"),
        (["lookup", "http://user:hunter2@exa%20mple.test/"], "the gateway would refuse this URL"),
    ],
)
def test_failures_are_explained(run: Run, arguments: list[str], message: str) -> None:
    code, out, err = run(*arguments)
    assert code == 1
    assert out == ""
    assert err.startswith("watchhouse: ")
    assert message in err
    assert "hunter2" not in err


def test_a_password_in_an_address_is_not_printed(run: Run) -> None:
    run("compile")
    for options in ([], ["--json"]):
        code, out, err = run("lookup", "https://user:hunter2@example.test/", *options)
        assert code == 0
        assert "hunter2" not in out + err


def test_a_list_of_another_format(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "ads-2026-11-01.txt"
    path.write_text("||ads.test^\n@@||good.ads.test^\n||x.test^$popup\n")
    code, out, err = run("import", str(path), "--category", "adverts")
    assert code == 0
    assert "imported list ads, read as adblock: 1 categories; 1 lines not used" in out
    assert err.startswith(f"ads/{path.name}:3: the modifier $popup narrows or changes it: ")
    row = next(line for line in out.splitlines() if line.startswith("adverts"))
    assert row.split() == ["adverts", "1", "1"]

    code, out, _ = run("lookup", "www.good.ads.test")
    assert code == 0
    assert out.splitlines()[1] == "uncategorised"
    rows = [" ".join(line.split()) for line in out.splitlines()[3:]]
    assert rows == [
        "adverts ads domain ads.test overridden",
        "adverts ads domain good.ads.test an exception",
    ]


def test_options_of_an_import_are_explained(run: Run, tmp_path: Path, source: Path) -> None:
    code, _, err = run("import", str(source), "--category", "ads")
    assert code == 1
    assert "leave out --category" in err
    path = tmp_path / "mixed.txt"
    path.write_text("0.0.0.0 a.test\n||b.test^\n")
    code, _, err = run("import", str(path))
    assert code == 1
    assert "say which with --format (one of squidguard, domains, hosts" in err
    assert run("import", str(path), "--format", "hosts")[0] == 0
