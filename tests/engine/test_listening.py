"""Our own leaf for listeners with TLS: for the right names, renewed in time, never half there."""

from __future__ import annotations

import stat
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from support.stage import make_settings

from proxy_addons.engine.authority import now_utc
from proxy_addons.engine.listening import ensure_leaf, names_of
from proxy_addons.rights.certificate import read_pair

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.settings.model import Settings

NOW = now_utc()


def settings_with(folder: Path, **listen: Any) -> Settings:
    return make_settings(folder, {"listen": listen})


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ({"proxy_tls": "127.0.0.1:0"}, ["127.0.0.1"]),
        ({"proxy_tls": "proxy.test:0", "portal_tls": "[::1]:0"}, ["proxy.test", "::1"]),
        ({"portal_tls": "0.0.0.0:0", "names": ["wh.test", "192.0.2.7"]}, ["wh.test", "192.0.2.7"]),
    ],
)
def test_it_is_for_the_names_that_clients_reach_us_by(
    tmp_path: Path, listen: dict[str, Any], expected: list[str]
) -> None:
    settings = settings_with(tmp_path, **listen)
    assert ensure_leaf(settings, NOW)
    leaf = settings.paths.listening_leaf
    assert settings.listening_files == (leaf, leaf)
    assert stat.S_IMODE(leaf.stat().st_mode) == 0o600
    assert sorted(read_pair(leaf, leaf).names) == sorted(expected)
    ours, authority = x509.load_pem_x509_certificates(leaf.read_bytes())
    ours.verify_directly_issued_by(authority)


def test_a_wildcard_is_this_machines_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "WH7")
    settings = settings_with(tmp_path, proxy_tls=["0.0.0.0:0", "[::]:0"])
    assert names_of(settings) == ("wh7",)


def test_without_a_listener_or_with_the_operators_own_none_is_made(
    tmp_path: Path, web_authority: Any
) -> None:
    assert not ensure_leaf(settings_with(tmp_path / "a"), NOW)
    file = web_authority.leaf("proxy.test")
    file.chmod(0o600)
    own = settings_with(
        tmp_path / "b", proxy_tls="127.0.0.1:0", certificate=str(file), key=str(file)
    )
    assert not ensure_leaf(own, NOW)
    assert own.listening_files == (file, file)
    assert not own.paths.ca_dir.exists()


def test_it_is_renewed_in_time_and_when_it_is_of_no_use(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, proxy_tls="127.0.0.1:0")
    leaf = settings.paths.listening_leaf
    assert ensure_leaf(settings, NOW)
    first = leaf.read_bytes()
    assert not ensure_leaf(settings, NOW + timedelta(days=3))
    assert leaf.read_bytes() == first
    assert ensure_leaf(settings, NOW + timedelta(days=4, minutes=1))
    assert read_pair(leaf, leaf).ends > NOW + timedelta(days=10)
    leaf.write_text("half")
    assert ensure_leaf(settings, NOW)
    other = settings_with(tmp_path, proxy_tls="127.0.0.1:0", names=["wh.test"])
    assert ensure_leaf(other, NOW)
    for name in ("ca.pem", "ca.key"):
        (settings.paths.ca_dir / name).unlink()
    assert ensure_leaf(other, NOW), "of a new authority"
    assert not list(settings.paths.ca_dir.glob(".*")), "nothing half is left"
