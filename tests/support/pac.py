"""A PAC file in a real JavaScript engine: which proxies a browser would take.

In: the file, an address. Out: the proxies it names, as curl takes them.
Must never: guess: what is neither PROXY nor HTTPS fails the test.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

NODE = shutil.which("node")
_RUN = """
const vm = require("vm");
const [file, url, host] = JSON.parse(require("fs").readFileSync(0, "utf-8"));
const context = vm.createContext(Object.create(null));
vm.runInContext(file, context);
context.url = url;
context.host = host;
process.stdout.write(vm.runInContext("FindProxyForURL(url, host)", context));
"""
_SCHEMES = {"PROXY": "http", "HTTPS": "https"}


def answer(address: str, url: str) -> str:
    """What the PAC file at an address says of a URL."""
    # Past the proxies that this machine's environment may name.
    with build_opener(ProxyHandler({})).open(address, timeout=20) as reply:
        file = reply.read().decode()
    assert NODE is not None
    done = subprocess.run(
        [NODE, "-e", _RUN],
        input=json.dumps([file, url, urlsplit(url).hostname]),
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout


def proxies(said: str) -> list[str]:
    """The proxies in such an answer, as `curl --proxy` takes them: `https://localhost:8443`."""
    pairs = [each.strip().split(" ") for each in said.split(";")]
    return [f"{_SCHEMES[kind]}://{place}" for kind, place in pairs]
