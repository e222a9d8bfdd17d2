"""What a real client sends through a real gateway: what arrives, and what it is told instead."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest
from aiohttp import web as http
from support.gateway import Gateway
from support.marked import letter, note
from support.repository import ENVIRONMENT, Repository
from support.running import IDENTITY
from support.scene import through

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.web import Web

SENSITIVE, RESTRICTED = "OFFICIAL-SENSITIVE", "RESTRICTED"
ADDRESS = "a.smith@borsetshire.police.example"
OTHER, PUBLIC = "https://uploads.example", "https://www.gov.uk"


class Case(NamedTuple):
    """What is sent, where to, and what comes of it.

    Attributes:
        arguments: of curl; `@` stands for the file.
        content: of the file.
        site: scheme and host.
        rule: that refuses it; None: it arrives.
        findings: in the record.
    """

    arguments: tuple[str, ...]
    content: bytes
    site: str
    rule: str | None
    findings: tuple[str, ...]


FORM = ("-F", "title=Notes", "-F", "file=@@;filename=notes.docx")
PUT = ("-T", "@")
CASES = {
    "a document in a form": Case(
        FORM, letter(SENSITIVE), OTHER, "marked", ("marking=official-sensitive",)
    ),
    "the same by HTTP/2": Case(
        ("--http2", *FORM), letter(SENSITIVE), OTHER, "marked", ("marking=official-sensitive",)
    ),
    "a text by PUT": Case(PUT, note(RESTRICTED), OTHER, "marked", ("marking=restricted",)),
    "a text in a field": Case(
        ("--data-urlencode", "text@@"), note(RESTRICTED), OTHER, "marked", ("marking=restricted",)
    ),
    "to public service": Case(
        FORM, letter(SENSITIVE), PUBLIC, None, ("marking=official-sensitive",)
    ),
    "to public service in the clear": Case(
        FORM, letter(SENSITIVE), "http://www.gov.uk", "marked-in-clear",
        ("marking=official-sensitive",),
    ),
    "secret to public service": Case(
        FORM, letter("SECRET"), PUBLIC, "marked-above-restricted", ("marking=secret",)
    ),
    "an ordinary document": Case(FORM, letter("OFFICIAL"), OTHER, None, ()),
    "an ordinary document in the clear": Case(
        FORM, letter("OFFICIAL"), "http://uploads.example", None, ()
    ),
    "something large": Case(PUT, note("OFFICIAL") * 60_000, OTHER, None, ()),
    "an address of the force, for work": Case(
        ("-d", f"email={ADDRESS}"), b"", OTHER, None, ("sends=force-address",)
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def taken() -> list[bytes]:
    """What the sites have got."""
    return []


@pytest.fixture(scope="module", params=["relay", "generic"])
def gateway(
    request: pytest.FixtureRequest,
    shared_web: Web,
    index: Path,
    taken: list[bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """One for all cases, on each lane."""
    settings = through(shared_web, identity=IDENTITY)
    settings["content"] = {"force_domains": ["borsetshire.police.example"]}
    settings["tls"]["http2"] = True
    settings["network"]["relay_lane"] = request.param == "relay"

    async def take(asked: http.Request, _rest: str) -> http.Response:
        taken.append(await asked.read())
        return http.Response(text="taken")

    shared_web.programs["take"] = take
    with Gateway(tmp_path_factory.mktemp(request.param), settings, index=index) as made:
        yield made
    del shared_web.programs["take"]


@pytest.mark.parametrize("name", CASES)
def test_what_is_sent(name: str, gateway: Gateway, taken: list[bytes], tmp_path: Path) -> None:
    case = CASES[name]
    file = tmp_path / "file"
    file.write_bytes(case.content)
    taken.clear()
    url = f"{case.site}/take/{name.replace(' ', '-')}-{gateway.folder.name}"
    arguments = [each.replace("@@", f"@{file}") for each in case.arguments]
    if "-T" in arguments:
        arguments[arguments.index("-T") + 1] = str(file)
    reply = gateway.curl(url, "-H", "Accept: application/json", *arguments)
    (record,) = gateway.records(1, url=url)
    came_back = ["file_type=text"] if case.rule is None else []
    assert record["findings"] == sorted([*case.findings, *came_back])
    assert record["person"] == "pc1234"
    if case.rule is None:
        assert (reply.status, reply.text) == (200, "taken"), reply
        (body,) = taken
        assert case.content in body
        assert record["bytes_up"] == len(body)
        return
    said = json.loads(reply.text)
    assert (reply.status, said["rule"], said["reference"]) == (403, case.rule, record["id"])
    assert taken == []
    assert (record["action"], record["rule"], record["status"]) == ("block", case.rule, 403)
    assert record["clause"] == "Inf/27 2.10.1"


def test_what_git_pushes(gateway: Gateway, shared_web: Web, tmp_path: Path) -> None:
    """It arrives, and the record says that nobody could read it."""
    (tmp_path / "server").mkdir()
    repository = Repository(tmp_path / "server")
    repository.git("config", "http.receivepack", "true")
    work = tmp_path / "work"
    url = f"https://git-{gateway.folder.name}.example/smart/demo.git"
    environ = os.environ | ENVIRONMENT | {"GIT_SSL_CAINFO": str(gateway.authority)}

    def git(*arguments: str) -> None:
        command = ["git", "-c", f"http.proxy=http://{gateway.proxy}", "-c", "user.name=T"]
        command += ["-c", "user.email=t@work.example", *arguments]
        subprocess.run(command, cwd=work, env=environ, check=True, capture_output=True)

    subprocess.run(["git", "clone", "-q", repository.bare, work], env=environ, check=True)
    (work / "note.txt").write_bytes(note(RESTRICTED))
    git("add", "note.txt")
    git("commit", "-qm", "x")
    shared_web.programs["smart"] = repository.smart
    try:
        git("push", "-q", url, "main")
    finally:
        del shared_web.programs["smart"]
    assert repository.git("show", "main:note.txt") == note(RESTRICTED)
    (record,) = gateway.records(1, url=f"{url}/git-receive-pack", method="POST")
    assert (record["action"], record["status"]) == ("allow", 200)
    assert "sends=unread" in record["findings"]
    assert record["members"] == ["what Git has packed"]
