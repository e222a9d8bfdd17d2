"""`watchhouse log`: what people see, and what a record must not do to their terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy_addons.accesslog import FIELDS, AccessLog
from proxy_addons.cli import main
from proxy_addons.cli.log_text import line_for, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "log" / "access"


@pytest.fixture
def log(folder: Path) -> Iterator[AccessLog]:
    # 21 July 2026, 11:30:00 UTC: summer time in London.
    log = AccessLog(folder, 1, clock=lambda: 1784633400.25)
    log.start()
    yield log
    log.close()


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["log", arguments[0], "--directory", str(folder), *arguments[1:]])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def fill(log: AccessLog) -> list[str]:
    """Writes three transactions; returns their reference numbers."""
    made = []
    for person, host, action, rule in [
        ("AB1234", "www.gov.uk", "allow", "government"),
        ("AB1234", "mail.example.com", "block", "webmail"),
        ("CD5678", "shop.example.com", "block", "personal-use"),
    ]:
        transaction = log.begin(person=person, method="GET", kind="https", host=host, port=443)
        transaction.url = f"https://{host}/"
        transaction.finish(
            action=action, rule=rule, status=200, bytes_up=1234, bytes_down=56789, categories=["x"]
        )
        made.append(transaction.id)
    log.close()
    return made


def test_tail_shows_a_line_for_each_record_in_local_time(
    log: AccessLog, run: Callable[..., tuple[int, str, str]]
) -> None:
    numbers = fill(log)
    code, out, err = run("tail")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line.split("  ")[-1] for line in lines] == numbers
    assert lines[1].startswith(
        "2026-07-21 12:30:00 BST  block  AB1234  GET https://mail.example.com/  webmail  200"
        "  1,234 up 56,789 down  "
    )


@pytest.mark.parametrize(
    ("options", "hosts"),
    [
        (["-n", "1"], ["shop.example.com"]),
        (["-n", "0"], []),
        (["--refused"], ["mail.example.com", "shop.example.com"]),
        (["--person", "AB1234", "--refused"], ["mail.example.com"]),
        (["--host", "example.com"], ["mail.example.com", "shop.example.com"]),
        (["--host", "gov.uk", "-n", "1"], ["www.gov.uk"]),
    ],
)
def test_tail_shows_what_was_asked_for(
    log: AccessLog,
    run: Callable[..., tuple[int, str, str]],
    options: list[str],
    hosts: list[str],
) -> None:
    fill(log)
    code, out, _ = run("tail", "--json", *options)
    assert code == 0
    assert [orjson.loads(line)["host"] for line in out.splitlines()] == hosts


def test_json_lines_are_whole_records(
    log: AccessLog, run: Callable[..., tuple[int, str, str]]
) -> None:
    fill(log)
    _, out, _ = run("tail", "--json")
    assert all(list(orjson.loads(line)) == [f.name for f in FIELDS] for line in out.splitlines())


@pytest.mark.parametrize("spell", [str.lower, lambda number: number.replace("-", "")])
def test_show_explains_every_field(
    log: AccessLog, run: Callable[..., tuple[int, str, str]], spell: Callable[[str], str]
) -> None:
    number = fill(log)[1]
    code, out, err = run("show", spell(number).replace("0", "O").replace("1", "l"))
    assert (code, err) == (0, "")
    assert "Closing record" in out
    assert "byte " in out
    for field in FIELDS:
        assert f"\n  {field.name:<15}" in out
        assert field.meaning in out
    assert "https://mail.example.com/" in out
    assert "shop.example.com" not in out
    assert "(2026-07-21 12:30:00 BST)" in out


def test_show_takes_a_number_in_several_words(
    log: AccessLog, run: Callable[..., tuple[int, str, str]]
) -> None:
    number = fill(log)[0]
    assert run("show", *number.split("-"), "--json")[0] == 0


def test_a_misheard_number_is_refused_in_words(
    log: AccessLog, run: Callable[..., tuple[int, str, str]]
) -> None:
    number = fill(log)[0]
    wrong = ("3" if number[0] != "3" else "4") + number[1:]
    code, out, err = run("show", wrong)
    assert (code, out) == (2, "")
    assert "Read it again from the page" in err


def test_a_number_without_a_record_is_said_to_be_well_formed(
    log: AccessLog, run: Callable[..., tuple[int, str, str]]
) -> None:
    number = log.begin().id
    code, out, err = run("show", number)
    assert (code, out) == (1, "")
    assert number in err


def test_a_folder_that_is_not_there_is_an_error_in_words(
    run: Callable[..., tuple[int, str, str]], folder: Path
) -> None:
    for command in (["tail"], ["show", "0000-0000-0000"]):
        code, out, err = run(*command)
        assert (code, out) == (1, "")
        assert str(folder) in err


def test_lines_that_are_no_records_are_named(
    log: AccessLog, run: Callable[..., tuple[int, str, str]], folder: Path
) -> None:
    fill(log)
    (path,) = folder.glob("*.jsonl")
    path.chmod(0o640)
    with path.open("ab") as file:
        file.write(b"\x1b[2Jnonsense\n")
    _, out, err = run("tail")
    assert len(out.splitlines()) == 3
    assert f"{path}, byte" in err
    assert "\x1b" not in out + err


def test_what_a_visitor_puts_in_a_record_does_nothing_to_the_terminal(
    log: AccessLog, run: Callable[..., tuple[int, str, str]]
) -> None:
    hostile = "\x1b[2J\x1b]0;owned\x07\x9b1m\x7f\r\n\u202e\u200b[red]:smile:"
    transaction = log.begin()
    transaction.set(
        **{
            field.name: hostile
            for field in FIELDS
            if field.name
            in {
                "person",
                "method",
                "url",
                "host",
                "rule",
                "reason",
                "error",
                "content_type",
                "action",
            }
        }
    )
    transaction.finish()
    log.close()
    for command in (["tail"], ["tail", "--json"], ["show", transaction.id]):
        code, out, _ = run(*command)
        assert code == 0
        assert all(char.isprintable() or char == "\n" for char in out)
    _, out, _ = run("tail")
    assert len(out.splitlines()) == 1
    assert r"\x1b[2J\x1b]0;owned\x07\x9b1m\x7f\r\n\u202e\u200b[red]:smile:" in out


@settings(max_examples=200)
@given(st.text())
def test_made_visible_a_text_is_printable_and_no_two_look_the_same(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    assert shown.encode("latin-1", "backslashreplace").decode("unicode_escape") == text


@settings(max_examples=100)
@given(
    st.dictionaries(
        st.sampled_from([f.name for f in FIELDS]),
        st.none()
        | st.integers()
        | st.text(max_size=9)
        | st.floats()
        | st.lists(st.text(max_size=9)),
    )
)
def test_any_record_has_a_line(record: dict[str, object]) -> None:
    """Also one that something else wrote into the folder."""
    assert line_for(record).plain.isprintable()


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-c",
        "import sys; from proxy_addons.cli import main; sys.exit(main())",
        "log",
        "tail",
        "--directory",
        str(folder),
        *arguments,
    ]
    paths = filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"},
    )


def test_follow_goes_on_as_records_come_in(log: AccessLog, folder: Path) -> None:
    log.begin(host="first.example", port=443).finish()
    while log.pending:
        pass
    with start(folder, "--follow") as process:
        assert process.stdout is not None
        assert "first.example" in process.stdout.readline()
        log.begin(host="second.example", port=443).finish()
        assert "second.example" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0


def test_a_reader_that_has_seen_enough_is_no_error(log: AccessLog, folder: Path) -> None:
    for number in range(3000):
        log.begin(host=f"host{number}.example", port=443).finish()
    log.close()
    with start(folder, "-n", "3000") as process:
        assert process.stdout is not None
        assert "host0.example" in process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=20) in {0, 1}
