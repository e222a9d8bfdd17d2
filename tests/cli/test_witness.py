"""`watchhouse witness`: its key, its memory, its refusals to start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from proxy_addons.accesslog.seal.notes import COSIGNATURE, Signer, Verifier

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

LOG = str(Signer("force.example/access-log", bytes(32)).verifier)


@pytest.fixture
def run(watchhouse: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    files = ("--key", str(tmp_path / "key"), "--state", str(tmp_path / "state"))
    return lambda *more: watchhouse("witness", *files, *more)


def test_a_key_is_made_once(run: Callable[..., Any], tmp_path: Path) -> None:
    done = run("--make-key", "witness.example/w1")
    assert done.code == 0
    key = Verifier.parse(done.out)
    assert (key.name, key.kind) == ("witness.example/w1", COSIGNATURE)
    before = (tmp_path / "key").read_bytes()
    again = run("--make-key", "witness.example/w1")
    assert (again.code, "never replaced" in again.err) == (1, True)
    assert (tmp_path / "key").read_bytes() == before
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o400
    (tmp_path / "key").unlink()
    assert run("--make-key", "witness.example/w1").code == 1, "what was signed was by another"


@pytest.mark.parametrize("name", ["two words", "a+b", ""])
def test_a_name_that_cannot_be_makes_nothing(
    run: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    assert run("--make-key", name).code in {1, 2}
    assert list(tmp_path.glob("*key*")) == list(tmp_path.glob("*state*")) == []


STARTS = {
    "no log": ((), 2, "--log"),
    "a log that is none": (("--log", "x"), 1, "verifier key"),
    "the key of a witness": (
        ("--log", str(Signer("w", bytes(32), COSIGNATURE).verifier)),
        2,
        "not the key of a log",
    ),
    "no memory": (("--log", LOG), 1, "is gone"),
}


@pytest.mark.parametrize("what", STARTS)
def test_it_does_not_start_without_what_it_needs(
    run: Callable[..., Any], tmp_path: Path, what: str
) -> None:
    run("--make-key", "witness.example/w1")
    (tmp_path / "state").unlink()
    more, code, said = STARTS[what]
    done = run(*more)
    assert (done.code, said in done.err) == (code, True), done.err
