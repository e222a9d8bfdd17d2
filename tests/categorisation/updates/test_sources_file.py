"""`sources.yaml`: what it may say, and that all else is refused with place, key and fix."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from proxy_addons.categorisation.formats import Format
from proxy_addons.categorisation.updates.sourcesfile import (
    HoldBack,
    Source,
    read_sources_file,
)
from proxy_addons.settings.problems import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

TESTS = Path(__file__).parents[2]
CASES = yaml.safe_load((TESTS / "cases" / "list_sources.yaml").read_text())
KEY = "RWRRkRsMJiWjPFbhQLwi6wu9HPBqdQPS56f3+fhj5PyFgT9llZZmQwr0"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["text"][:60])
def test_what_is_wrong_is_said(case: Mapping[str, str], tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    body = "\n".join("  " + line for line in case["text"].splitlines())
    path.write_text(f"version: 1\nsources:\n{body}\n")
    with pytest.raises(SettingsError) as caught:
        read_sources_file(path)
    assert len(caught.value.problems) == 1
    assert case["says"] in str(caught.value).replace(f"{tmp_path}/", "")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sources: []\n", "version: not given"),
        ("version: 2\nsources: []\n", "version: found the number 2"),
        ("version: 1\n", "sources: not given"),
        ("version: 1\nkeep: 1\nsources: []\n", "keep: found the number 1; wanted a whole number"),
        ("", "the file is empty"),
    ],
)
def test_the_file_as_a_whole(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=says):
        read_sources_file(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml: cannot be read: No such file"):
        read_sources_file(tmp_path / "none.yaml")


def test_every_key(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        f"""\
version: 1
keep: 9
sources:
  - name: a
    url: file:///srv/a.txt
    enabled: false
    format: hosts
    category: ads
    very_restrictive: true
    checksum: sha256:{"0" * 64}
    signature: https://lists.test/a.minisig
    public_key: {KEY}
    max_size: 3 MiB
    timeout: 90 s
    proxy: direct
    ca_file: /etc/ca.pem
    every: 6 h
    between: "22:00-06:30"
    hold_back: {{loses: 2.5%, gains: 100%, least: 3}}
  - {{name: b, url: "HTTP://lists.test/b"}}
"""
    )
    found = read_sources_file(path)
    assert found.keep == 9
    one, two = found.sources
    assert one.public_key is not None
    assert one.public_key.id.hex() == "51911b0c2625a33c"
    assert one == Source(
        name="a",
        url="/srv/a.txt",
        enabled=False,
        format=Format.HOSTS,
        category="ads",
        very_restrictive=True,
        checksum=f"sha256:{'0' * 64}",
        signature="https://lists.test/a.minisig",
        public_key=one.public_key,
        max_size=3 << 20,
        timeout=90,
        proxy="direct",
        ca_file="/etc/ca.pem",
        every=6 * 3600,
        between=(22 * 60, 6 * 60 + 30),
        hold_back=HoldBack(0.025, 1.0, 3),
    )
    assert two == Source("b", "http://lists.test/b")
    assert found.named(()) == (two,)
    assert found.named(["a", "b", "a"]) == (one, two)
    with pytest.raises(KeyError, match=r"no source \\?\"bb\\?\"; did you mean b"):
        found.named(["bb"])


def test_every_key_is_documented() -> None:
    text = (TESTS.parent / "docs" / "list-updates.md").read_text("utf-8")
    documented = set(re.findall(r"(?m)^\| `(\w+)` \|", text))
    assert documented == {each.name for each in fields(Source)} | {"keep"}
    for each in fields(HoldBack):
        assert f"`{each.name}`" in text


def test_the_file_that_is_shipped_fetches_ut1_by_night() -> None:
    found = read_sources_file(TESTS.parent / "categories" / "sources.yaml")
    (source,) = found.named(())
    assert source.name == "ut1"
    assert source.url == "https://dsi.ut-capitole.fr/blacklists/download/blacklists.tar.gz"
    assert source.between == (19 * 60 + 30, 7 * 60 + 30)
    assert source.hold_back == HoldBack(0.2, 0.5)
