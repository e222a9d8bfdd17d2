"""The inspection authority and its leaves: secret from the first byte, whole or not at all."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from proxy_addons.engine.authority import Authority, AuthorityError, load_or_make

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return load_or_make(tmp_path_factory.mktemp("ca") / "ca", "Sample Constabulary", NOW)


def leaf(authority: Authority, host: str) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    return authority.leaf(host, key.public_key(), NOW)


# --- making -----------------------------------------------------------------------------------


def test_it_is_made_once(tmp_path: Path) -> None:
    first = load_or_make(tmp_path / "ca", "Force", NOW)
    again = load_or_make(tmp_path / "ca", "Another name", NOW + timedelta(days=100))
    assert again.certificate == first.certificate
    assert sorted(file.name for file in (tmp_path / "ca").iterdir()) == ["ca.key", "ca.pem"]


def test_what_it_is(authority: Authority) -> None:
    certificate = authority.certificate
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert (basic.value.ca, basic.value.path_length) == (True, 0)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_cert_sign
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    assert "Sample Constabulary" in certificate.subject.rfc4514_string()
    assert certificate.not_valid_before_utc < NOW
    assert timedelta(days=365 * 4) < certificate.not_valid_after_utc - NOW < timedelta(days=365 * 6)


def test_the_key_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        load_or_make(tmp_path / "ca", "Force", NOW)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "ca").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "ca/ca.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "ca/ca.pem").stat().st_mode) == 0o644


def test_the_key_is_secret_from_its_first_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not made readable and closed afterwards: somebody could open it in between."""
    opened: list[tuple[str, int, int]] = []
    real = os.open

    def noting(path: Path, flags: int, mode: int = 0o777, **more: object) -> int:
        opened.append((str(path), flags, mode))
        return real(path, flags, mode, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", noting)
    monkeypatch.delattr(os, "chmod")
    monkeypatch.delattr(os, "fchmod")
    load_or_make(tmp_path / "ca", "Force", NOW)
    (made,) = [each for each in opened if "ca.key" in each[0] and each[1] & os.O_CREAT]
    assert made[1] & os.O_EXCL
    assert made[2] == 0o600


def test_several_at_once_make_one(tmp_path: Path) -> None:
    """Two gateways started on one new data folder: one authority, and both have it."""
    program = f"""
import sys
from datetime import UTC, datetime
from pathlib import Path
from proxy_addons.engine.authority import load_or_make
print("ready", flush=True)
sys.stdin.readline()
made = load_or_make(Path({str(tmp_path / "ca")!r}), "Force", datetime.now(UTC))
print(made.certificate.serial_number)
"""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=30) for process in started]
    assert {out for out, _ in said} == {said[0][0]}, said
    assert said[0][0].strip().isdigit(), said
    assert sorted(file.name for file in (tmp_path / "ca").iterdir()) == ["ca.key", "ca.pem"]


def test_threads_at_once_make_one(tmp_path: Path) -> None:
    made: list[Authority] = []
    starting = threading.Barrier(4)

    def make() -> None:
        starting.wait()
        made.append(load_or_make(tmp_path / "ca", "Force", NOW))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.certificate.serial_number for each in made}) == 1
    assert len(made) == 4


# --- what is there ----------------------------------------------------------------------------


@pytest.fixture
def made(tmp_path: Path) -> Path:
    load_or_make(tmp_path / "ca", "Force", NOW)
    return tmp_path / "ca"


@pytest.mark.parametrize("missing", ["ca.key", "ca.pem"])
def test_half_of_it(made: Path, missing: str) -> None:
    (made / missing).unlink()
    there = "ca.pem" if missing == "ca.key" else "ca.key"
    before = (made / there).read_bytes()
    with pytest.raises(AuthorityError) as problem:
        load_or_make(made, "Force", NOW)
    assert f"{there} is there but {missing} is not" in str(problem.value)
    assert "Restore it from the backup" in str(problem.value)
    assert [file.name for file in made.iterdir()] == [there]
    assert (made / there).read_bytes() == before


@pytest.mark.parametrize(
    ("name", "mode", "may"),
    [
        (".", 0o750, "read and enter"),
        (".", 0o701, "enter"),
        (".", 0o720, "write"),
        ("ca.key", 0o640, "read"),
        ("ca.key", 0o604, "read"),
        ("ca.key", 0o620, "write"),
        ("ca.key", 0o666, "read and write"),
    ],
)
def test_a_key_that_others_can_get_at_is_not_used(
    made: Path, name: str, mode: int, may: str
) -> None:
    path = made / name
    path.chmod(mode)
    with pytest.raises(AuthorityError) as caught:
        load_or_make(made, "Force", NOW)
    said = str(caught.value)
    assert said.startswith(f"{path} is open to others (mode {mode:04o}): they may {may} it,")
    fix = re.search(r"chmod (\d+) (\S+)\.", said)
    assert fix
    Path(fix[2]).chmod(int(fix[1], 8))
    load_or_make(made, "Force", NOW)


@pytest.mark.root
@pytest.mark.parametrize("name", [".", "ca.key"])
def test_a_key_of_another_user_is_not_used(made: Path, name: str) -> None:
    os.chown(made / name, 65534, 65534)
    with pytest.raises(AuthorityError) as caught:
        load_or_make(made, "Force", NOW)
    said = str(caught.value)
    assert said.startswith(f"{made / name} belongs to user 65534, but this process runs as user 0.")
    assert "chown -R" in said


def test_a_pair_that_does_not_belong_together(made: Path, tmp_path: Path) -> None:
    load_or_make(tmp_path / "other", "Force", NOW)
    (tmp_path / "other/ca.key").replace(made / "ca.key")
    with pytest.raises(AuthorityError, match="do not belong together"):
        load_or_make(made, "Force", NOW)


@pytest.mark.parametrize("name", ["ca.key", "ca.pem"])
@pytest.mark.parametrize("content", [b"", b"no PEM", b"\0" * 100])
def test_a_file_that_cannot_be_read(made: Path, name: str, content: bytes) -> None:
    (made / name).write_bytes(content)
    with pytest.raises(AuthorityError, match="cannot be read") as problem:
        load_or_make(made, "Force", NOW)
    assert str(made) in str(problem.value)


def test_a_key_that_is_encrypted(made: Path) -> None:
    key = serialization.load_pem_private_key((made / "ca.key").read_bytes(), None)
    (made / "ca.key").write_bytes(
        key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
        )
    )
    with pytest.raises(AuthorityError, match="cannot be read") as problem:
        load_or_make(made, "Force", NOW)
    assert problem.value.__cause__ is None


def test_a_key_of_another_kind(made: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    (made / "ca.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    with pytest.raises(AuthorityError, match="elliptic-curve key"):
        load_or_make(made, "Force", NOW)


def test_one_that_has_expired(made: Path) -> None:
    with pytest.raises(AuthorityError, match=r"expired on \d+ \w+ 20\d\d"):
        load_or_make(made, "Force", NOW + timedelta(days=365 * 6))


def test_a_leaf_is_no_authority(made: Path) -> None:
    """A site's certificate put there by mistake would sign leaves that no browser accepts."""
    authority = load_or_make(made, "Force", NOW)
    key = ec.generate_private_key(ec.SECP256R1())
    (made / "ca.pem").write_bytes(
        authority.leaf("allowed.test", key.public_key(), NOW).public_bytes(Encoding.PEM)
    )
    (made / "ca.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    with pytest.raises(AuthorityError, match="is no authority"):
        load_or_make(made, "Force", NOW)


# --- leaves -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["allowed.test", "xn--bcher-kva.test", "a_b.test", "a." * 120 + "test", "localhost"]
)
def test_a_leaf_for_a_name(authority: Authority, host: str) -> None:
    made = leaf(authority, host)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [host]
    assert len(list(names)) == 1, "good for this name only"
    made.verify_directly_issued_by(authority.certificate)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
def test_a_leaf_for_an_address(authority: Authority, host: str) -> None:
    names = (
        leaf(authority, host).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    )
    assert list(names) == [x509.IPAddress(ip_address(host))]


def test_what_a_leaf_may_be_used_for(authority: Authority) -> None:
    made = leaf(authority, "allowed.test")
    extensions = made.extensions
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca) == (True, False)
    usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    key_id = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    own_id = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    assert key_id == own_id.value.digest
    assert made.not_valid_before_utc <= NOW - timedelta(hours=12), "for clocks that are behind"
    assert timedelta(days=2) < made.not_valid_after_utc - NOW <= timedelta(days=398)


def test_serial_numbers_differ(authority: Authority) -> None:
    assert len({leaf(authority, "allowed.test").serial_number for _ in range(5)}) == 5


def test_a_leaf_does_not_outlive_its_authority(made: Path) -> None:
    authority = load_or_make(made, "Force", NOW)
    late = authority.certificate.not_valid_after_utc - timedelta(days=1)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = authority.leaf("allowed.test", key.public_key(), late)
    assert certificate.not_valid_after_utc <= authority.certificate.not_valid_after_utc
