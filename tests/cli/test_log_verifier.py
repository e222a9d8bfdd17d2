"""`watchhouse log verifier`: what it prints checks a pack, and a folder of seals."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from support import packs
from support.alone import oldest, unpacked

from proxy_addons.accesslog.seal.standalone.shipped import PARTS, shipped

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verifier")
    packs.sealed_log(folder, count=5)
    (folder / "pack.zip").write_bytes(packs.packed(folder).octets)
    return folder / "pack.zip"


@pytest.mark.parametrize("of", PARTS)
def test_what_it_prints_checks(
    watchhouse: Callable[..., Any], pack: Path, tmp_path: Path, of: str
) -> None:
    done = watchhouse("log", "verifier", "--of", of)
    assert done.code == 0
    assert done.out == shipped(of)
    assert done.err == f"SHA-256 {hashlib.sha256(done.out.encode()).hexdigest()}\n"
    (tmp_path / "verify.py").write_text(done.out)
    folder = unpacked(pack) if of == "pack" else pack.parent / "seals"
    command = [oldest(), "-I", "verify.py", str(folder), "--key", str(packs.SIGNER.verifier)]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.endswith(": no things are wrong\n")


def test_the_one_in_a_pack_is_the_same(watchhouse: Callable[..., Any], pack: Path) -> None:
    with zipfile.ZipFile(pack) as inside:
        assert inside.read("verify.py").decode() == watchhouse("log", "verifier").out


def test_each_says_what_it_is_not_for(pack: Path, tmp_path: Path) -> None:
    """The one of packs finds nothing right in a folder of seals, nor the other way round."""
    for of, path in (("pack", pack.parent / "seals"), ("seals", unpacked(pack))):
        (tmp_path / "verify.py").write_text(shipped(of))
        command = [oldest(), "-I", "verify.py", str(path), "--key", str(packs.SIGNER.verifier)]
        said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert said.returncode == 1
        assert "manifest.json" in said.stdout


def test_what_it_cannot_print(watchhouse: Callable[..., Any]) -> None:
    assert watchhouse("log", "verifier", "--of", "nothing").code == 2
