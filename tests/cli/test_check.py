from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.clamd import RunningClamd, is_installed

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A copy of the default configuration that uses the starter lists."""
    folder = tmp_path / "config"
    shutil.copytree(ROOT / "config", folder)
    main = folder / "watchhouse.yaml"
    text = main.read_text().replace("../categories ", f"{ROOT}/categories ")
    main.write_text(text)
    return folder


def test_the_default_configuration_is_in_order(
    watchhouse: Callable[..., Any], config: Path, tmp_path: Path
):
    done = watchhouse("check", "--config", str(config), "--data", str(tmp_path / "data"))
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        (
            f"{config}/watchhouse.yaml and {config}/policy.yaml are in order:"
            " 43 rules, 4 profiles, 2 time spaces"
        )
    ]
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("folder", "said"),
    [("/dev/shm", True), ("/dev/shm/not-there-yet", True), ("/usr/held", False)],
)
def test_a_folder_in_memory_for_held_bodies_is_said(
    watchhouse: Callable[..., Any], config: Path, folder: str, said: bool
):
    command = ("stat", "--file-system", "--format=%T", "/dev/shm")
    kind = subprocess.run(command, capture_output=True, text=True, check=True)
    assert kind.stdout == "tmpfs\n", "this machine has no memory there"
    main = config / "watchhouse.yaml"
    settings = yaml.safe_load(main.read_text())
    settings.setdefault("content", {})["held"] = {"folder": folder}
    main.write_text(yaml.safe_dump(settings))
    done = watchhouse("check", "--config", str(config))
    assert done.code == 0
    assert (f"warning: {folder} is on a file system that is memory" in done.out) == said


def test_every_problem_of_both_files_is_listed(watchhouse: Callable[..., Any], config: Path):
    for name, right, wrong in (
        ("watchhouse.yaml", "allow_ports:", "allow_port:"),
        ("policy.yaml", "categories: webmail\n", "categories: webmial\n"),
    ):
        file = config / name
        assert right in file.read_text()
        file.write_text(file.read_text().replace(right, wrong))
    done = watchhouse("check", "--config", str(config))
    assert (done.code, done.out) == (1, "")
    first, second = done.err.splitlines()
    assert "network.allow_port: unknown key; did you mean allow_ports?" in first
    assert first.startswith(f"{config}/watchhouse.yaml:")
    assert "no list has the category webmial; did you mean webmail?" in second
    assert second.startswith(f"{config}/policy.yaml:")


def test_warnings_are_listed_and_do_not_fail(watchhouse: Callable[..., Any], config: Path):
    policy = config / "policy.yaml"
    early = "rules:\n  - {id: early, reason: Fine., action: allow}\n"
    policy.write_text(policy.read_text().replace("rules:\n", early, 1))
    done = watchhouse("check", "--config", str(config))
    assert (done.code, done.err) == (0, "")
    *warnings, last = done.out.splitlines()
    assert "44 rules" in last
    assert len(warnings) == 44
    assert all(each.startswith(f"warning: {policy}:") for each in warnings)
    assert "the rule early names no clause of the force's policy" in done.out
    assert "the rule webmail can never decide: earlier rules always do (early)" in done.out


def test_without_any_list_the_rest_is_checked(
    watchhouse: Callable[..., Any], config: Path, tmp_path: Path
):
    done = watchhouse(
        "check", "--config", str(config), "--data", str(tmp_path / "data"),
        "--set", f"categories_dir={tmp_path}/none",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    warning, last = done.out.splitlines()
    assert warning.startswith("warning: the categories that the policy names are not checked:")
    assert "in order" in last


def test_an_imported_list_makes_its_categories_known(
    watchhouse: Callable[..., Any], config: Path, tmp_path: Path
):
    policy = config / "policy.yaml"
    policy.write_text(policy.read_text().replace("social: [", "social: [blog, "))
    arguments = ("check", "--config", str(config), "--data", str(tmp_path / "data"))
    done = watchhouse(*arguments)
    assert done.code == 1
    assert "no list has the category blog" in done.err
    blog = tmp_path / "data/lists/ut1/blog"
    blog.mkdir(parents=True)
    (blog / "domains").write_text("blog.example\n")
    assert watchhouse(*arguments).code == 0


def test_where_the_configuration_is(
    watchhouse: Callable[..., Any], config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WATCHHOUSE_CONFIG", str(tmp_path / "nowhere"))
    done = watchhouse("check")
    assert done.code == 1
    assert done.err.splitlines()[0].startswith(f"{tmp_path}/nowhere/watchhouse.yaml: there is no")
    assert watchhouse("check", "--config", str(config)).code == 0
    monkeypatch.delenv("WATCHHOUSE_CONFIG")
    assert watchhouse("check").out.startswith("config/watchhouse.yaml and config/policy.yaml are")


def test_options_override_and_are_checked(watchhouse: Callable[..., Any]):
    done = watchhouse(
        "check", "--listen-proxy", "8080", "--listen-workers", "0", "--set", "listen.portal=x",
        "--set", "no.such=1",
    )  # fmt: skip
    assert done.code == 1
    for said in ("option listen.proxy:", "option listen.workers:", "option listen.portal:",
                 "option no.such: no such setting"):  # fmt: skip
        assert said in done.err


def test_it_says_why_archives_cannot_be_looked_into(config: Path, tmp_path: Path):
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from proxy_addons.cli import main; raise SystemExit(main())"),
            *("check", "--config", str(config)),
            *("--data", str(tmp_path / "data")),
        ],
        env={**os.environ, "LIBARCHIVE": "/nowhere/libarchive.so"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    warning, last = done.stdout.splitlines()
    assert warning.startswith(
        "warning: every archive counts as unreadable-archive: libarchive cannot be used"
    )
    assert "in order" in last


def test_scanners_are_asked_only_when_that_is_wanted(
    watchhouse: Callable[..., Any], config: Path, tmp_path: Path
):
    if not is_installed():
        pytest.skip("needs clamd (Debian: clamav-daemon)")
    folder = Path(mkdtemp(prefix="wh"))
    try:
        with RunningClamd(folder) as clamd:
            check = (
                "check", "--config", str(config), "--data", str(tmp_path / "data"),
                "--set", f"content.clamd.servers={clamd.unix},unix:/nowhere/s",
            )  # fmt: skip
            before = clamd.log()
            done = watchhouse(*check)
            assert (done.code, len(done.out.splitlines())) == (0, 1)
            assert clamd.log() == before
            done = watchhouse(*check, "--scanners")
        _, well, ill = done.out.splitlines()
        assert well.startswith(f"scanner {clamd.unix}: ClamAV ")
        said = "it cannot be reached (No such file or directory)"
        assert ill == f"warning: scanner unix:/nowhere/s: {said}"
        assert (done.code, done.err) == (1, "")
    finally:
        shutil.rmtree(folder)


def test_there_is_no_scanner_to_ask(watchhouse: Callable[..., Any], config: Path):
    done = watchhouse("check", "--config", str(config), "--scanners")
    assert done.code == 0
    assert "no virus scanner is named" in done.out.splitlines()[-1]
