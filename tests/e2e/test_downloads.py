"""Software by the clients that people fetch it with: refused in words that they show, or unchanged.

Each client asks a real gateway for the same file twice: for somebody with the profile `standard`,
and for a packager. What a packager gets has the same hash as what the server sent.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from support.gateway import Gateway
from support.registries import Files, digest, for_apt, for_npm, for_pip
from support.repository import DELIMITER, ENVIRONMENT, FLUSH, Repository, packet
from support.scene import through

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.web import Web

SAID = "software may not be downloaded"
RULE = "software"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """What the server has: packages under their names, a program under another."""
    folder = tmp_path_factory.mktemp("files")
    made = {
        "/holiday.jpg": (Path("/usr/bin/gcc").read_bytes()[:900_000], "image/jpeg"),
        "/picture.jpg": (b"\xff\xd8\xff\xe0\0\x10JFIF" + os.urandom(500_000), "image/jpeg"),
        "/report.pdf": (b"%PDF-1.7\n" + os.urandom(500_000) + b"\n%%EOF\n", "application/pdf"),
    }
    made |= for_pip(folder) | for_apt(folder)
    if shutil.which("npm"):
        made |= for_npm(folder, "http://files-npm.example")
    return made


@pytest.fixture(scope="module")
def repository(shared_web: Web, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """A repository, which the server has in both ways that there are."""
    made = Repository(tmp_path_factory.mktemp("repository"))
    shared_web.programs |= {"smart": made.smart, "dumb": made.dumb}
    yield made
    del shared_web.programs["smart"], shared_web.programs["dumb"]


@pytest.fixture(scope="module", params=["standard", "packagers"])
def gateway(
    request: pytest.FixtureRequest,
    shared_web: Web,
    index: Path,
    files: Files,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """A gateway where everybody has one profile."""
    person = {"network": "127.0.0.0/8", "person": "Sample Person", "profile": request.param}
    settings = through(shared_web, identity={"addresses": [person]})
    settings["tls"]["http2"] = True  # which Git speaks, inside TLS
    shared_web.files.update(files)

    async def nothing_signed(_: web.Request, _rest: str) -> web.Response:
        raise web.HTTPNotFound

    shared_web.programs["apt"] = nothing_signed
    with Gateway(tmp_path_factory.mktemp(request.param), settings, index=index) as made:
        yield made
    del shared_web.programs["apt"]
    for path in files:
        del shared_web.files[path]


def run(*command: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a client as a person would, with no proxy but the one it is told of."""
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return subprocess.run(
        command, cwd=cwd, env=kept | {"HOME": str(cwd)} | environ, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip


def by_curl(proxy: str, url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    # As people do it who look at what went wrong: the page's words are the answer's body.
    return run("curl", "-sS", "--fail-with-body", "--proxy", proxy, "-o", "got", url, cwd=folder)


def by_wget(proxy: str, url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return run("wget", "-nv", "-O", "got", url, cwd=folder, http_proxy=proxy)


def by_apt(proxy: str, url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """As from any other archive: its index, then the package by its name."""
    root = folder / "apt"
    for part in ("etc/apt/preferences.d", "var/lib/apt/lists/partial", "var/lib/dpkg", "var/cache"):
        (root / part).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    site = url.rpartition("/")[0]
    (root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] {site}/ apt/\n")
    options = [f"Dir={root}", f"Acquire::http::Proxy={proxy}", "APT::Sandbox::User=root"]
    apt = ["apt-get", *(part for option in options for part in ("-o", option))]
    done = run(*apt, "update", cwd=folder)
    assert done.returncode == 0, done.stderr
    done = run(*apt, "download", "demo", cwd=folder)
    for file in folder.glob("*.deb"):
        file.rename(folder / "got")
    return done


def by_pip(proxy: str, url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """By the index of a registry."""
    site = url.rpartition("/")[0]
    done = run(
        sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir",
        "--disable-pip-version-check", "--retries", "0", "--proxy", proxy, "-d", "in",
        "--index-url", f"{site}/simple", "--trusted-host", site.rpartition("/")[2], "demo",
        cwd=folder, PIP_CONFIG_FILE=os.devnull, PIP_FIND_LINKS="",
    )  # fmt: skip
    if not done.returncode:
        (file,) = (folder / "in").iterdir()
        file.rename(folder / "got")
    return done


def by_npm(proxy: str, url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """By what a registry says of it."""
    done = run(
        "npm", "pack", "--fetch-retries=0", f"--proxy={proxy}",
        f"--registry={url.rpartition('/')[0]}/npm/", "demo",
        cwd=folder, npm_config_cache=str(folder / "cache"),
    )  # fmt: skip
    if not done.returncode:
        (folder / "demo-1.0.0.tgz").rename(folder / "got")
    return done


CLIENTS: dict[str, tuple[Callable[..., subprocess.CompletedProcess[str]], str]] = {
    "curl": (by_curl, "/holiday.jpg"),
    "wget": (by_wget, "/holiday.jpg"),
    "apt": (by_apt, "/demo_1.0_all.deb"),
    "pip": (by_pip, "/demo-1.0-py3-none-any.whl"),
    "npm": (by_npm, "/demo-1.0.0.tgz"),
}


@pytest.mark.parametrize("client", CLIENTS)
def test_what_a_client_gets(client: str, gateway: Gateway, files: Files, tmp_path: Path) -> None:
    fetch, path = CLIENTS[client]
    if path not in files:
        pytest.skip("needs npm (Debian: npm)")
    host = f"files-{client}.example"
    done = fetch(f"http://{gateway.proxy}", f"http://{host}{path}", tmp_path)
    said, got = done.stdout + done.stderr, tmp_path / "got"
    if is_packagers(gateway):
        assert done.returncode == 0, said
        assert digest(got.read_bytes()) == digest(files[path][0])
        records = gateway.records(1, host=host)
        assert {each["rule"] for each in records} <= {"software-for-packagers", "everything-else"}
        return
    assert done.returncode != 0
    if client == "curl":
        said += got.read_text()
    assert SAID in said, said
    (record,) = gateway.records(1, host=host, action="block")
    assert (record["url"], record["status"]) == (f"http://{host}{path}", 403)
    assert record["rule"] == RULE
    indexed = {each["status"] for each in gateway.records(host=host, action="allow")}
    assert (200 in indexed) == (client in {"apt", "pip", "npm"}), "what is to be had is no secret"
    assert record["findings"]


def curl(proxy: str, *options: str) -> tuple[list[str], dict[str, str]]:
    return ["curl", "-sS", "--fail-with-body", "--proxy", proxy, *options, "-o", "got"], {}


def wget(proxy: str, *options: str) -> tuple[list[str], dict[str, str]]:
    return ["wget", "-nv", *options, "-O", "got"], {"http_proxy": proxy}


RESUMED = {
    # Whoever asks, and what it says of a refusal: curl looks at nothing but whether it got the part
    # that it asked for.
    "curl": (curl, ["--continue-at", "-"], "Cannot resume"),
    "wget": (wget, ["--continue"], SAID),
}


@pytest.mark.parametrize("path", ["/holiday.jpg", "/picture.jpg", "/report.pdf"])
@pytest.mark.parametrize("client", RESUMED)
def test_what_is_resumed(
    client: str, path: str, gateway: Gateway, files: Files, tmp_path: Path
) -> None:
    make, options, said = RESUMED[client]
    whole, got = files[path][0], tmp_path / "got"
    half = len(whole) // 2
    got.write_bytes(whole[:half])
    host = f"resumed-{client}-{Path(path).stem}.example"
    command, environ = make(f"http://{gateway.proxy}", *options)
    done = run(*command, f"http://{host}{path}", cwd=tmp_path, **environ)
    record = gateway.records(1, host=host)[-1]
    if path == "/picture.jpg" or is_packagers(gateway):
        assert done.returncode == 0, done.stderr
        assert digest(got.read_bytes()) == digest(whole)
        assert (record["action"], record["status"]) == ("allow", 206)
        assert record["bytes_down"] < half + 5000, "not the whole of it"
        return
    if path == "/report.pdf":
        # It may have attachments: it comes as a whole or not at all, which curl does not take.
        assert (record["action"], record["status"]) == ("allow", 200)
        assert got.read_bytes() == (whole[:half] if client == "curl" else whole)
        return
    assert done.returncode != 0
    assert said in done.stderr
    assert got.read_bytes() == whole[:half]
    assert (record["action"], record["rule"], record["status"]) == ("block", RULE, 403)
    assert record["findings"] == ["file_type=linux-program"]


@pytest.mark.parametrize("part", ["0-99", "450000-460000", "-500"])
def test_parts(part: str, gateway: Gateway, files: Files, tmp_path: Path) -> None:
    command, _ = curl(f"http://{gateway.proxy}", "--range", part)
    host = f"range{part.strip('-')}.example"
    done = run(*command, f"http://{host}/holiday.jpg", cwd=tmp_path)
    got = (tmp_path / "got").read_bytes()
    record = gateway.records(1, host=host)[-1]
    if is_packagers(gateway):
        assert done.returncode == 0
        assert got in files["/holiday.jpg"][0]
        assert record["action"] == "allow"
        return
    assert done.returncode == 22
    assert SAID in got.decode()
    assert (record["action"], record["rule"], record["status"]) == ("block", RULE, 403)


def is_packagers(gateway: Gateway) -> bool:
    profile: str = gateway.settings["identity"]["addresses"][0]["profile"]
    return profile == "packagers"


# --- Git --------------------------------------------------------------------------------------

GIT = {
    "smart, version 2": ("https", "smart", "2"),
    "smart, version 0": ("http", "smart", "0"),
    "files": ("http", "dumb", "2"),
}


@pytest.mark.parametrize("way", GIT)
def test_what_git_gets(way: str, gateway: Gateway, repository: Repository, tmp_path: Path) -> None:
    scheme, served, version = GIT[way]
    host = f"{way.replace(', ', '-').replace(' ', '-')}.example"

    def git(*arguments: str, cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        options = {
            "http.proxy": f"http://{gateway.proxy}",
            "protocol.version": version,
        }
        told = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        trusted = {"GIT_SSL_CAINFO": str(gateway.authority)}
        return run("git", *told, *arguments, cwd=cwd, **ENVIRONMENT, **trusted)

    asked = len(repository.asked)
    done = git("clone", f"{scheme}://{host}/{served}/demo.git", "got")
    clone = tmp_path / "got"
    if not is_packagers(gateway):
        assert done.returncode == 128
        assert f"remote: This file is software, and {SAID}" in done.stderr
        assert "remote: Reference: " in done.stderr
        assert not clone.exists()
        (record,) = gateway.records(1, host=host, kind=scheme)
        assert (record["action"], record["rule"], record["status"]) == ("block", RULE, 403)
        assert record["findings"] == ["file_type=git-repository"]
        assert len(repository.asked) == asked + 1
        return
    assert done.returncode == 0, done.stderr
    for _ in range(2):
        assert git("rev-parse", "origin/main", cwd=clone).stdout.strip() == repository.head()
        assert git("fsck", "--full", "--strict", cwd=clone).returncode == 0
        repository.commit({"more.bin": os.urandom(100_000)})
        if served == "dumb":
            repository.pack()  # single objects the first time, a pack the second
        done = git("fetch", cwd=clone)
        assert done.returncode == 0, done.stderr
    told = {each[2] for each in repository.asked[asked:]}
    assert ("version=2" in told) == (version == "2")
    rules = {record["rule"] for record in gateway.records(4, host=host, kind=scheme)}
    assert rules <= {"software-for-packagers", "everything-else"}
    assert "software-for-packagers" in rules


def test_what_a_repository_is_made_of(gateway: Gateway, repository: Repository) -> None:
    """Each part by itself, as by a client that has the list of branches from elsewhere."""
    head = repository.head()
    wants = packet(f"want {head}") + FLUSH + packet("done")
    fetch = packet("command=fetch") + DELIMITER + packet(f"want {head}") + packet("done") + FLUSH
    repository.commit({"last": os.urandom(50)})
    single = repository.git("rev-parse", "main:last").decode().strip()
    at = f"objects/{single[:2]}/{single[2:]}"
    parts: list[tuple[str, list[str], bytes]] = [
        ("smart/demo.git/git-upload-pack", [], wants),
        ("smart/demo.git/git-upload-pack", ["-H", "Git-Protocol: version=2"], fetch),
        (f"dumb/demo.git/{at}", [], b""),
        ("dumb/demo.git/info/refs", [], b""),
    ]
    sent = repository.bare.parent / "sent"
    for number, (path, options, given) in enumerate(parts):
        host = f"part-{number}.example"
        if given:
            sent.write_bytes(given)
            kind = "Content-Type: application/x-git-upload-pack-request"
            options += ["-H", kind, "--data-binary", f"@{sent}"]
        reply = gateway.curl(f"http://{host}/{path}", *options)
        (record,) = gateway.records(1, host=host)
        assert record["findings"] == ["file_type=git-repository"], path
        if is_packagers(gateway):
            assert (reply.status, record["rule"]) == (200, "software-for-packagers")
        else:
            assert (reply.status, record["rule"]) == (403, RULE)
            assert "a Git repository" in reply.text
