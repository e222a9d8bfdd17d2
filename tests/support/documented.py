"""The documents' examples: where they stand, and a process that runs the commands among them.

In: the documents; `tests/cases/examples.yaml`, which says what a command needs before it.
Out: for each command its exit code and what it said, as JSON on standard output.

Run as a program, so that the clock can be set for all of it: examples name days. Commands run in
the order of their document, in a folder with the configuration, the starter lists and a day of log.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

TOP = Path(__file__).parents[2]
CASES = TOP / "tests/cases/examples.yaml"
DOCUMENTS = ("README.md", *(f"docs/{path.name}" for path in sorted((TOP / "docs").glob("*.md"))))
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_OURS = re.compile(r"(?:echo '(?P<typed>[^']*)' \| )?(?P<line>(?:\S*/)?watchhouse .*)")


def blocks(document: str, kind: str) -> list[str]:
    """The fenced blocks of one kind in a document, in order."""
    text = (TOP / document).read_text("utf-8")
    return [content for found, content in _FENCE.findall(text) if found == kind]


def kinds(document: str) -> set[str]:
    """The languages of the fenced blocks of a document that have one."""
    text = (TOP / document).read_text("utf-8")
    return {kind for kind, _ in _FENCE.findall(text) if kind}


def commands(document: str) -> list[str]:
    """The lines of the shell examples of a document that run `watchhouse`."""
    lines = [line.strip() for block in blocks(document, "sh") for line in block.splitlines()]
    return [line for line in lines if _OURS.match(line)]


def needs() -> dict[str, Any]:
    """What `tests/cases/examples.yaml` says, by document."""
    found: dict[str, Any] = yaml.safe_load(CASES.read_text("utf-8"))
    return found


def of_line(story: dict[str, Any], line: str) -> dict[str, Any]:
    """What a story says of a line: the first entry that the line begins with, after the program."""
    said = line[line.index("watchhouse ") + len("watchhouse ") :]
    entries = story.get("lines", {})
    return next((entry for begin, entry in entries.items() if said.startswith(begin)), {})


def run(line: str, by: str, answer: str) -> dict[str, Any]:
    """Run one command in this process."""
    from proxy_addons.cli import main  # noqa: PLC0415 - it is slow, and the tests do not need it

    out, err = io.StringIO(), io.StringIO()
    os.environ["SUDO_USER"] = by
    before, sys.stdin = sys.stdin, io.StringIO(f"{answer}\n")
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code: int | str | None = main(shlex.split(line, comments=True)[1:])
            except SystemExit as end:
                code = end.code
    finally:
        sys.stdin = before
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


def piped(line: str, typed: str) -> dict[str, Any]:
    """Run one command that reads what another one writes."""
    words = shlex.split(line, comments=True)[1:]
    program = "import sys; from proxy_addons.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        input=f"{typed}\n", capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return {"code": done.returncode, "out": done.stdout, "err": done.stderr}


def prepare(place: Path, document: str, story: dict[str, Any]) -> None:
    """A folder as the document supposes it; nothing in it is of an earlier line."""
    for name in ("config", "categories"):
        shutil.copytree(TOP / name, place / name)
    main_file = place / "config/watchhouse.yaml"
    document_of = yaml.safe_load(main_file.read_text("utf-8")) or {}
    main_file.write_text(yaml.safe_dump(merged(document_of, story.get("settings", {}))))
    shutil.copytree(place.parent / "data", place / "var")
    for name, source in story.get("copies", {}).items():
        shutil.copytree(place / source, place / name)
    for name, what in story.get("files", {}).items():
        content = what
        if isinstance(what, dict):
            kind, number = next(iter(what.items()))
            content = blocks(document, kind)[number] + what.get("then", "")
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(content.replace("{place}", str(place)), encoding="utf-8")


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Settings with others over them."""
    found = dict(below)
    for key, value in above.items():
        inner = found.get(key)
        found[key] = (
            merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
        )
    return found


def data_folder(folder: Path) -> None:
    """A compiled index, and a log of a few records."""
    from proxy_addons.accesslog import AccessLog  # noqa: PLC0415 - as above
    from proxy_addons.categorisation import SourceFolders, ensure_index  # noqa: PLC0415

    lists = SourceFolders(TOP / "categories", folder / "lists")
    ensure_index(lists, folder / "categories.index")
    log = AccessLog(folder / "log/access", 1)
    log.start()
    for number in range(3):
        transaction = log.begin(person="jane", method="GET", kind="https", host="www.gov.uk")
        transaction.url = f"https://www.gov.uk/{number}"
        transaction.finish(action="allow", rule="business", status=200, categories=["government"])
    log.close()


def _in_place(line: str, places: dict[str, str], place: Path) -> str:
    """A command that touches nothing of the machine: what it names lies in its own folder.

    Raises:
        ValueError: it names something else.
    """
    for there, here in places.items():
        line = line.replace(there, str(place / here))
    for word in line.split()[1:]:
        if word.startswith("/") and not word.startswith(f"{place}/"):
            msg = f"{line}: {word} is outside of the test's folder; say places in {CASES.name}"
            raise ValueError(msg)
    return line


def main(folder: Path) -> None:
    """Run everything in a folder of its own, and print what came of it."""
    for name in [name for name in os.environ if name.startswith("WATCHHOUSE_")]:
        del os.environ[name]
    os.environ["COLUMNS"] = "120"
    data_folder(folder / "data")
    told: dict[str, list[dict[str, Any]]] = {}
    for document in DOCUMENTS:
        story = needs().get(document, {})
        place = folder / f"{document.replace('/', '-')}-0"
        prepare(place, document, story)
        told[document] = []
        for number, line in enumerate(commands(document), start=1):
            entry = of_line(story, line)
            if "instead" in entry:
                continue
            if entry.get("anew"):
                place = folder / f"{document.replace('/', '-')}-{number}"
                prepare(place, document, story)
            os.chdir(place)
            found = _OURS.fullmatch(line)
            assert found is not None
            here = _in_place(found["line"], story.get("places", {}), place)
            by = entry.get("by", story.get("by", "olga"))
            answer = entry.get("answer", "")
            for step in entry.get("before", ()):
                who, _, first = step.partition(": ")
                done = run(first, who, "")
                if done["code"] != 0:
                    told[document].append({"line": f"before: {first}", **done})
            done = piped(here, found["typed"]) if found["typed"] else run(here, by, answer)
            told[document].append({"line": line, **done})
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
