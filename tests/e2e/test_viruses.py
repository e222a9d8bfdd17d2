"""A real gateway with a real clamd: EICAR in every shape, and a scanner that is gone."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from support import clamd as real
from support.eicar import EICAR, SHAPES
from support.gateway import Gateway
from support.scene import through

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.web import Web

pytestmark = pytest.mark.skipif(
    not real.is_installed(), reason="needs clamd (Debian: clamav-daemon)"
)
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 200


@pytest.fixture(scope="module")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.RunningClamd]:
    with real.RunningClamd(tmp_path_factory.mktemp("c")) as made:
        yield made


@pytest.fixture(scope="module", params=["standard", "unrestricted"])
def gateway(
    request: pytest.FixtureRequest,
    shared_web: Web,
    clamd: real.RunningClamd,
    index: object,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """A gateway with the scanner; its person may reach nearly nothing, or everything."""
    person = {"network": "127.0.0.0/8", "person": "Sample Person", "profile": request.param}
    settings = through(
        shared_web,
        identity={"addresses": [person]},
        content={
            "clamd": {"servers": clamd.unix, "timeout": 5},
            "quarantine": {"folder": str(clamd.folder / request.param)},
        },
    )
    exempt = ["Sample Person"] if request.param == "unrestricted" else []
    folder = tmp_path_factory.mktemp(request.param)
    with Gateway(folder, settings, index=index, exempt=exempt) as made:  # type: ignore[arg-type]
        yield made


@pytest.mark.parametrize("kind", ["application/octet-stream", "image/png", "text/plain"])
@pytest.mark.parametrize("shape", SHAPES)
def test_eicar_is_found(
    shape: str, kind: str, gateway: Gateway, shared_web: Web, clamd: real.RunningClamd
) -> None:
    path = f"/{shape.replace(' ', '-')}/{kind.partition('/')[2]}"
    shared_web.files[path] = (SHAPES[shape], kind)
    host = "virus.example"
    for scheme in ("http", "https"):
        reply = gateway.curl(f"{scheme}://{host}{path}", "-H", "Accept: application/json")
        assert reply.status == 403, reply.text
        assert EICAR not in reply.body
        (record,) = gateway.records(1, url=f"{scheme}://{host}{path}")
        assert (record["action"], record["status"]) == ("block", 403)
        if gateway.settings["identity"]["addresses"][0]["profile"] == "unrestricted":
            # Nothing else is against it there.
            assert record["rule"] == "virus"
            assert record["virus"] == real.VIRUS
            kept = clamd.folder / "unrestricted" / f"{record['id']}.body"
            assert EICAR in kept.read_bytes() or kept.read_bytes() == SHAPES[shape]
            assert "VIRUS FOUND" in gateway.output.read_text()


def test_what_is_clean_comes_through(gateway: Gateway, shared_web: Web) -> None:
    shared_web.files["/clean.pdf"] = (PDF, "application/pdf")
    packed = gzip.compress(PDF)
    shared_web.files["/clean.gz"] = (packed, "application/gzip")
    assert gateway.curl("https://clean.example/clean.pdf").body == PDF
    assert gateway.curl("https://clean.example/clean.gz").body == packed


def test_a_scanner_that_is_gone_lets_nothing_through(
    gateway: Gateway, shared_web: Web, clamd: real.RunningClamd
) -> None:
    shared_web.files["/later.pdf"] = (PDF, "application/pdf")
    clamd.kill()
    try:
        reply = gateway.curl("https://gone.example/later.pdf", "-H", "Accept: application/json")
        assert reply.status == 403
        assert '"rule": "not-scanned"' in reply.text
        assert gateway.curl("https://gone.example/").status == 200, "pages need no scanner"
    finally:
        clamd.start()
    (record,) = gateway.records(1, url="https://gone.example/later.pdf")
    assert record["findings"] == ["file_type=pdf", "virus=unscanned"]
    assert record["members"], "why"
