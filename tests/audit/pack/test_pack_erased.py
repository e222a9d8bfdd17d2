"""Packs before and after lines were erased: what is proved then, and what is not."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from support import packs
from support.alone import alone
from support.erasing import erased

from proxy_addons.audit.pack.about import PackError
from proxy_addons.audit.pack.checking import check_pack

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    packs.sealed_log(folder)
    return folder


def test_packs_before_and_after(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    shutil.copytree(folder, log)
    ats = packs.ats_of(log)
    before, after = tmp_path / "before.zip", tmp_path / "after.zip"
    before.write_bytes(packs.packed(log).octets)
    mine, gone = {at.segment for at in ats}, ats[0]
    other = min(p.name for p in (log / "access").iterdir() if p.name not in mine)
    erased(log, {gone.segment: frozenset({gone.line}), other: None})
    with pytest.raises(PackError, match=rf"line {gone.line} of .* was erased"):
        packs.packed(log, ats=ats)
    pack = packs.packed(log, ats=ats[1:])
    after.write_bytes(pack.octets)
    said = alone([before, after], "pack")
    found = check_pack(before, [packs.SIGNER.verifier])
    assert (found.faults, found.erased, found.lines) == ((), (), len(ats))
    assert said[str(before)][0] == 0
    assert "erased" not in said[str(before)][1]
    found = check_pack(after, [packs.SIGNER.verifier])
    assert (found.faults, found.erased, found.lines) == ((), (gone.segment,), len(ats) - 1)
    assert said[str(after)][0] == 0, said
    assert "but for 1 segments of which lines were erased" in said[str(after)][1]


def test_what_was_not_erased_may_not_be_left_out(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    shutil.copytree(folder, log)
    ats = packs.ats_of(log)
    erased(log, {ats[0].segment: frozenset({ats[0].line})})
    left = [at for at in ats if at.segment != ats[0].segment]
    with pytest.raises(PackError, match="are not among"):
        packs.packed(log, ats=left[1:])
