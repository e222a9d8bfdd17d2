"""docs/api.md: its examples, run by a shell with curl."""

from __future__ import annotations

import asyncio
import csv
import re
import shutil
from pathlib import Path

import msgspec
import pytest
from support.api import JANE, served_api

DOCUMENT = Path(__file__).parents[3] / "docs/api.md"
EXAMPLES = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_the_examples_do_what_they_say(tmp_path: Path) -> None:
    (script,) = EXAMPLES.findall(DOCUMENT.read_text("utf-8"))
    async with served_api(tmp_path) as api:
        text, _ = await api.token()
        home = tmp_path / "home"
        home.mkdir()
        (home / ".watchhouse-token").write_text(f"{text}\n")
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-e", "-c", script, cwd=home, stdout=asyncio.subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "HOME": str(home), "PORTAL": api.house.base,
                 "AU": api.reference},
        )  # fmt: skip
        said, _ = await process.communicate()
    assert process.returncode == 0
    # One document of JSON after the other, with nothing between them.
    rights, page, counts = map(
        msgspec.json.decode, re.split(rb"(?<=\})(?=\{\"(?:records|by)\":)", said)
    )
    assert rights["authorisations"][0]["reference"] == api.reference
    assert (len(page["records"]), page["total"]) == (5, 15)
    assert {each["key"] for each in counts["counts"]} == {"news"}
    with (home / "rows.csv").open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == JANE
