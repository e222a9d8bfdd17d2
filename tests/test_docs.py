"""What the documents say is so: links, commands, names that they quote, examples.

Other tests hold single documents to the program: settings (tests/settings), the log's fields
(tests/accesslog), metrics (tests/portal). This one is about all of them together.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from proxy_addons import __version__
from proxy_addons.categorisation import SourceFolders, ensure_index
from proxy_addons.cli import COMMANDS, _parser, main
from proxy_addons.cli.serve import next_steps

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).parents[1]
# What others put into a checkout: environments, data folders, caches.
_NOT_OURS = {"node_modules", "__pycache__", "dist", "build"}


def tree() -> Iterator[Path]:
    """Every file of the project."""
    for folder, folders, files in os.walk(TOP):
        here = Path(folder)
        folders[:] = [
            name
            for name in folders
            if name not in _NOT_OURS
            and not (name.startswith(".") and name != ".ci")
            and not (here == TOP and name.startswith("var"))
        ]
        yield from (here / name for name in files)


DOCUMENTS = sorted(path for path in tree() if path.suffix == ".md")
README = (TOP / "README.md").read_text("utf-8")
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))


def named(path: Path) -> str:
    return str(path.relative_to(TOP))


def shell_lines(text: str) -> list[str]:
    """The commands in the shell examples of a document."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def anchors(text: str) -> set[str]:
    """The anchors that the headings of a document make."""
    headings = re.findall(r"(?m)^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# --- links ----------------------------------------------------------------------------------------


def test_there_are_documents() -> None:
    assert {"README.md", "CHANGELOG.md", "docs/THREAT-MODEL.md"} <= set(map(named, DOCUMENTS))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text("utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (document.parent / name).resolve() if name else document
        assert there.is_relative_to(TOP), target
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there.read_text("utf-8")), target


def test_every_document_is_in_the_index() -> None:
    index = (TOP / "docs/README.md").read_text("utf-8")
    for path in [*(TOP / "docs").glob("*.md"), *(TOP / "docs/adr").glob("*.md")]:
        if path.name != "README.md":
            assert f"({path.relative_to(TOP / 'docs')})" in index, path.name


def test_decisions_are_numbered_and_have_their_parts() -> None:
    records = sorted((TOP / "docs/adr").glob("*.md"))
    assert [path.name[:4] for path in records] == [f"{n:04}" for n in range(1, len(records) + 1)]
    for path in records:
        text = path.read_text("utf-8")
        assert text.startswith(f"# {int(path.name[:4])}. "), path.name
        assert re.findall(r"(?m)^## (.+)$", text) == ["Context", "Decision", "Consequences"]


# --- what is quoted exists ------------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_scripts_that_are_named_exist(document: Path) -> None:
    text = document.read_text("utf-8")
    for name in set(re.findall(r"(?<![\w/.-])((?:scripts|\.ci)/[a-z]+)\b(?!/)", text)):
        assert (TOP / name).exists(), name
        assert os.access(TOP / name, os.X_OK), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_tests_and_modules_that_are_named_exist(document: Path) -> None:
    text = document.read_text("utf-8")
    sources = [path.read_text("utf-8") for path in (TOP / "tests").rglob("*.py")]
    known = {name for source in sources for name in re.findall(r"def (test_\w+)", source)}
    for name in set(re.findall(r"`(test_\w+)`", text)):
        assert name in known, f"there is no such test: {name}"
    rooms = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    places = "|".join(room for layer in rooms for room in layer.split(" | "))
    for name in set(re.findall(rf"`((?:{places})/[\w/]*(?:\.py)?)`", text)):
        assert (TOP / "proxy_addons" / name).exists(), f"there is no such module: {name}"
    for name in set(re.findall(r"`((?:tests|docs|config|categories)/[\w/.-]+)`", text)):
        # Of what the force writes into categories/local/, nothing is there yet.
        assert name.startswith("categories/local/") or (TOP / name).exists(), (
            f"no such file: {name}"
        )


def test_every_room_has_its_line_in_the_order_of_the_contract() -> None:
    layers = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    table = re.findall(r"(?m)^\| (`.+?`) \| ", (TOP / "docs/adr/0001-rooms.md").read_text("utf-8"))
    assert [row.replace("`", "").replace(", ", " | ") for row in table] == layers
    for layer in layers:
        for room in layer.split(" | "):
            assert f"`{room}`" in README, room


def test_every_dependency_has_its_reason() -> None:
    reasons = (TOP / "docs/adr/0002-dependencies.md").read_text("utf-8").lower()
    wanted = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]
    wanted += [
        each for extra in PROJECT["project"]["optional-dependencies"].values() for each in extra
    ]
    for requirement in wanted:
        name = re.split(r"[\[ ~>=<]", requirement)[0].lower()
        assert ("types-*" if name.startswith("types-") else name) in reasons, name


def test_the_changelog_has_this_version() -> None:
    assert f"## [{__version__}]" in (TOP / "CHANGELOG.md").read_text("utf-8")


def test_no_package_index_is_named() -> None:
    """Each machine has its own; a name here would send somebody past it."""
    names = ("pypi|org", "pythonhosted|org", "npmjs|org", "golang|org", "crates|io", "rubygems|org")
    hosts = [name.replace("|", ".").encode() for name in names]
    for path in tree():
        content = path.read_bytes()
        for host in hosts:
            assert host not in content, f"{named(path)} names {host.decode()}"


# --- commands -------------------------------------------------------------------------------------


def subcommands(parser: argparse.ArgumentParser) -> list[str]:
    """The names of the commands below a parser, those below them included."""
    found = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                found += [name, *(f"{name} {inner}" for inner in subcommands(below))]
    return found


def test_every_command_is_documented() -> None:
    text = " ".join(document.read_text("utf-8") for document in DOCUMENTS)
    commands = subcommands(_parser(""))
    assert set(COMMANDS) <= set(commands)
    assert "categories import" in commands
    for command in commands:
        assert re.search(rf"watchhouse {command}\b", text), command


COMMAND_LINES = [
    (named(document), line)
    for document in DOCUMENTS
    for line in shell_lines(document.read_text("utf-8"))
    if re.match(r"(\S*/)?(watchhouse|scripts/run)\b", line)
]


@pytest.mark.parametrize(("document", "line"), COMMAND_LINES, ids=lambda value: value[:60])
def test_commands_in_examples_are_understood(document: str, line: str) -> None:
    del document
    program, *words = shlex.split(line, comments=True)
    if program.endswith("scripts/run"):
        words = ["serve", *words]
    if "--help" in words:
        return
    assert words[0] in COMMANDS
    try:
        _parser(words[0]).parse_args(words)
    except SystemExit:
        pytest.fail(f"not understood: {line}")


def test_the_readme_says_what_the_start_says() -> None:
    said = next_steps(
        TOP / "var/ca/ca.pem", {"proxy": ["127.0.0.1:8080"], "portal": ["127.0.0.1:8081"]}
    )
    said = re.sub(r"--cacert \S+", "--cacert var/ca/ca.pem", said)
    lines = [line for line in shell_lines(README) if line.startswith("curl ")]
    lines = [line for line in lines if "--proxy-user" not in line]  # of another start
    assert len(lines) == 3
    for line in lines:
        assert line in said
    assert "http://127.0.0.1:8081/proxy.pac" in said


# --- the README's examples ------------------------------------------------------------------------


@pytest.fixture(name="place")
def a_place(tmp_path: Path) -> list[str]:
    """A configuration of one's own and compiled lists, as arguments of a command."""
    config, data = tmp_path / "config", tmp_path / "data"
    shutil.copytree(TOP / "config", config)
    ensure_index(SourceFolders(TOP / "categories", data / "lists"), data / "categories.index")
    here = ["--config", str(config), "--data", str(data)]
    return [*here, "--set", f"categories_dir={TOP / 'categories'}"]


def explained(section: str) -> list[list[str]]:
    """The examples of `explain` in a section of the README, each once."""
    lines = shell_lines(README.partition(f"\n## {section}\n")[2].partition("\n## ")[0])
    return [shlex.split(line)[1:] for line in dict.fromkeys(lines) if " explain " in line]


def test_the_break_in_the_readme_changes_what_it_says(
    place: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = re.search(r"The first is `(.+?)`, the second `(.+?)`", README)
    assert said is not None
    examples = explained("Take a break")
    assert len(examples) == 2
    for example, decision in zip(examples, said.groups(), strict=True):
        assert main([*example, *place]) == 0
        assert decision in capsys.readouterr().out


def test_the_rule_in_the_readme_does_what_it_says(
    place: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    config = Path(place[1])
    (example,) = explained("Write a rule")
    arguments = [*example, *place]
    assert main(arguments) == 0
    assert "block by rule personal-use" in capsys.readouterr().out
    rule, case = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    policy = (config / "policy.yaml").read_text("utf-8")
    before = "  - id: personal-allowance-used\n"
    assert policy.count(before) == 1
    (config / "policy.yaml").write_text(policy.replace(before, f"{rule}\n{before}"), "utf-8")
    assert main(arguments) == 0
    assert "allow by rule rail-bookings" in capsys.readouterr().out
    assert main(["check", *place]) == 0
    assert "warning" not in capsys.readouterr().out
    (one_line,) = yaml.safe_load(case)
    assert one_line["want"] == "allow rail-bookings"
    with (config / "policy_tests.yaml").open("a", encoding="utf-8") as cases:
        cases.writelines(f"  {line}\n" for line in case.splitlines())
    assert main(["test", "--uncovered", *place]) == 0
