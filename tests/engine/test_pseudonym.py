"""The secret behind `Via`: one for all workers, its owner's alone, and never in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.stage import make_settings

from proxy_addons.engine.pseudonym import loops_of

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.settings.model import Settings


def settings(folder: Path, via: str = "auto") -> Settings:
    return make_settings(folder, {"network": {"via": via}})


def known(one: Any, other: Any) -> bool:
    return bool(one.is_ours(other.via(http2=False).decode()))


def test_all_workers_know_each_other(tmp_path: Path) -> None:
    first, second = (loops_of(settings(tmp_path)) for _ in range(2))
    assert known(first, second)
    assert known(second, first)
    (file,) = (tmp_path / "data/run").iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == ("via.key", 0o600)


def test_two_gateways_do_not(tmp_path: Path) -> None:
    first, second = (loops_of(settings(tmp_path / name)) for name in "ab")
    assert not known(first, second)


def test_off_and_a_name_of_ones_own(tmp_path: Path) -> None:
    assert loops_of(settings(tmp_path, "off")) is None
    fixed = loops_of(settings(tmp_path, "force-7"))
    assert fixed is not None
    assert fixed.via(http2=False) == b"1.1 force-7"
    assert not (tmp_path / "data/run/via.key").exists()


@pytest.mark.parametrize("wrong", ["folder", "short"])
def test_what_is_wrong_with_the_file_stops_nothing(
    wrong: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = settings(tmp_path)
    file = given.paths.run_dir / "via.key"
    if wrong == "folder":
        file.mkdir(parents=True)
    else:
        file.parent.mkdir(parents=True)
        file.write_bytes(b"short")
    loops = loops_of(given)
    assert loops is not None
    assert known(loops, loops)
    assert "via.key" in caplog.text
