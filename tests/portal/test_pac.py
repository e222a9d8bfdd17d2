"""The PAC file, run in a real JavaScript engine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy_addons.portal import pac
from proxy_addons.settings.model import Endpoint, Listen, Network, Pac, Settings
from proxy_addons.settings.people import Certificate

if TYPE_CHECKING:
    from collections.abc import Sequence

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases" / "pac.yaml").read_text("utf-8"))

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")

# Runs the file in a context without anything in it: no DNS function, no console, no clock.
HARNESS = """
const vm = require("vm");
const [file, calls] = JSON.parse(require("fs").readFileSync(0, "utf-8"));
const context = vm.createContext(Object.create(null));
vm.runInContext(file, context);
const found = calls.map(([url, host]) => {
  context.url = url;
  context.host = host;
  return vm.runInContext("FindProxyForURL(url, host)", context);
});
process.stdout.write(JSON.stringify(found));
"""


def settings_with(
    proxies: Sequence[str] = (),
    listen: Sequence[Endpoint] = (Endpoint("127.0.0.1", 8080),),
    names: Sequence[str] = ("police.example", "pnn.police.example"),
    networks: Sequence[str] = ("198.51.100.0/24", "2001:db8:1::/48"),
    secure: Sequence[Endpoint] = (),
    reached_by: Sequence[str] = (),
) -> Settings:
    """The parts of the settings that a PAC file depends on."""
    network = Network(
        upstream_proxy=None,
        allow_ports=frozenset({443}),
        allow_http_ports=((80, 80),),
        allow_methods=frozenset({"GET"}),
        via="off",
        look_up_refused=False,
        deny_destinations=(),
        intranet_networks=tuple(ip_network(network) for network in networks),
        intranet_names=tuple(names),
        dns_servers=(),
        connect_timeout=1,
        idle_timeout=1,
        relay_lane=True,
    )
    nothing = cast("Any", None)
    return Settings(
        listen=Listen(
            tuple(listen),
            (Endpoint("127.0.0.1", 8081),),
            1,
            tuple(secure),
            certificate=Certificate(names=tuple(reached_by)),
        ),
        network=network,
        limits=nothing,
        tls=nothing,
        identity=nothing,
        page=nothing,
        pac=Pac(tuple(proxies)),
        paths=nothing,
        policy=nothing,
        carriers=nothing,
        policy_version="test",
    )


def ask(file: str, hosts: Sequence[str], urls: Sequence[str] | None = None) -> list[str]:
    calls = [
        [url, host]
        for host, url in zip(hosts, urls or [f"https://{host}/" for host in hosts], strict=True)
    ]
    assert NODE is not None
    done = subprocess.run(
        [NODE, "-e", HARNESS],
        input=json.dumps([file, calls]),
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return cast("list[str]", json.loads(done.stdout))


@needs_node
def test_every_case_is_answered_as_it_says():
    file = pac.script(settings_with(), ["proxy.example:8080"])
    urls = [case.get("url", f"https://{case['host']}/") for case in CASES]
    answers = ask(file, [case["host"] for case in CASES], urls)
    wrong = [
        (case, answer)
        for case, answer in zip(CASES, answers, strict=True)
        if answer != ("DIRECT" if case["direct"] else "PROXY proxy.example:8080")
    ]
    assert not wrong


PROXIES = ["wh1.example:8080", "wh2.example:8080", "10.1.2.3:3128", "[2001:db8::7]:8080"]
HOSTS = [f"{name}{number}.example.org" for number in range(1500) for name in ("www.", "cdn")]


@needs_node
def test_hosts_spread_over_the_proxies_and_keep_to_them():
    file = pac.script(settings_with(), PROXIES)
    answers = ask(file, HOSTS)
    wanted = {f"PROXY {proxy}" for proxy in PROXIES}
    for answer in answers:
        assert set(answer.split("; ")) == wanted
        assert answer.count(";") == len(PROXIES) - 1
    # 3,000 hosts over four proxies: 750 each, standard deviation 24; five of them is no accident.
    first = Counter(answer.split("; ")[0] for answer in answers)
    assert all(abs(number - 750) < 120 for number in first.values()), first
    # Those of a proxy that fails spread over the other three: 250 each, standard deviation 14.
    for proxy in wanted:
        second = Counter(
            parts[1] for answer in answers if (parts := answer.split("; "))[0] == proxy
        )
        assert len(second) == 3
        assert max(second.values()) < 1.5 * min(second.values()), second
    assert ask(file, [host.upper() + "." for host in HOSTS[:50]]) == answers[:50]


@needs_node
def test_a_proxy_less_moves_only_its_own_hosts():
    everywhere = ask(pac.script(settings_with(), PROXIES), HOSTS[:600])
    without = ask(pac.script(settings_with(), list(reversed(PROXIES[1:]))), HOSTS[:600])
    gone = f"PROXY {PROXIES[0]}"
    for before, after in zip(everywhere, without, strict=True):
        assert after.split("; ") == [part for part in before.split("; ") if part != gone]


@needs_node
def test_proxies_by_tls_come_first_each_kind_in_its_own_order():
    secure = [f"HTTPS {proxy}" for proxy in PROXIES[:3]]
    answers = ask(pac.script(settings_with(), [PROXIES[3], *secure, PROXIES[0]]), HOSTS[:600])
    plain = ask(pac.script(settings_with(), [PROXIES[3], PROXIES[0]]), HOSTS[:600])
    for answer, rest in zip(answers, plain, strict=True):
        parts = answer.split("; ")
        assert set(parts[:3]) == set(secure)
        assert parts[3:] == rest.split("; ")
    assert len({answer.split("; ")[0] for answer in answers}) == 3


@needs_node
@pytest.mark.parametrize(
    "name", ['"; DIRECT', "</script>", "a\nb", "\u2028", "\\", "${1}", "*/", "ünïcode"]
)
def test_whatever_a_setting_holds_the_file_stays_valid(name: str):
    file = pac.script(settings_with(names=[name]), ["proxy.example:8080"])
    assert ask(file, ["www.gov.uk"]) == ["PROXY proxy.example:8080"]
    # Only comments of ours could hold more than ASCII.
    assert file.isascii()


def test_the_file_keeps_to_old_javascript_and_asks_no_dns():
    file = pac.script(settings_with(), PROXIES)
    code = re.sub(r"(?m)^\s*//.*$", "", file)
    for newer in (
        r"\b(let|const|class|async|await|yield|of)\b",
        r"=>",
        r"`",
        r",\s*[}\]]",
        r"\.(trim|map|forEach|filter|reduce|some|every|keys|isArray|bind)\(",
        r"\.(includes|startsWith|endsWith|repeat|padStart|at|find)\(",
        r"\bJSON\b",
        r"\*\*",
        r"\?\.|\?\?",
        r"\(\?[<=!]",
    ):
        assert not re.search(newer, code), newer
    for dns in ("isInNet", "isResolvable", "dnsResolve", "myIpAddress", "dnsDomainIs"):
        assert dns not in code
    for clock in ("Date", "Range(", "random"):
        assert clock not in code
    assert "DIRECT" not in code[code.index("function proxiesFor") :]


@pytest.mark.parametrize(
    "proxy",
    [
        "",
        "proxy.example",
        "proxy.example:",
        "proxy.example:0",
        "proxy.example:65536",
        "proxy.example:8080; DIRECT",
        "proxy.example:8080\n",
        "http://proxy.example:8080",
        "user:secret@proxy.example:8080",
        "::1:8080",
        "[::1]",
        "pröxy.example:8080",
        "HTTPS proxy.example",
        "HTTPS  proxy.example:8080",
        "https proxy.example:8080",
        "SOCKS proxy.example:8080",
        "PROXY proxy.example:8080",
    ],
)
def test_what_is_no_proxy_does_not_get_into_the_file(proxy: str):
    with pytest.raises(pac.PacError, match=r"pac\.proxies"):
        pac.script(settings_with(), ["proxy.example:8080", proxy])


def test_no_proxy_at_all_is_an_error_not_direct():
    with pytest.raises(pac.PacError, match="no proxy"):
        pac.script(settings_with(), [])


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        (["127.0.0.1"], "127.0.0.1:8080"),
        (["::1"], "[::1]:8080"),
        (["proxy.police.example"], "proxy.police.example:8080"),
        (["0.0.0.0"], "seen.example:8080"),
        (["::"], "seen.example:8080"),
        (["127.0.0.1", "0.0.0.0"], "127.0.0.1:8080"),
        (["0.0.0.0", "::"], "seen.example:8080"),
    ],
)
def test_without_a_list_the_first_listener_is_named(listen: list[str], expected: str):
    endpoints = [Endpoint(host, 8080) for host in listen]
    assert pac.proxies_of(settings_with(listen=endpoints), "seen.example") == (expected,)


@pytest.mark.parametrize(
    ("host", "names", "expected"),
    [
        ("192.0.2.1", (), ("HTTPS 192.0.2.1:8443", "192.0.2.1:8080")),
        ("0.0.0.0", (), ("HTTPS seen.example:8443", "seen.example:8080")),
        ("0.0.0.0", ("wh.example", "10.0.0.1"), ("HTTPS wh.example:8443", "wh.example:8080")),
        ("::1", ("2001:db8::7",), ("HTTPS [2001:db8::7]:8443", "[2001:db8::7]:8080")),
    ],
)
def test_a_listener_by_tls_is_named_first_and_by_its_name(
    host: str, names: Sequence[str], expected: tuple[str, ...]
):
    made = settings_with(
        listen=[Endpoint(host, 8080)], secure=[Endpoint(host, 8443)], reached_by=names
    )
    assert pac.proxies_of(made, "seen.example") == expected


def test_a_list_wins_over_the_listeners():
    given_settings = settings_with(proxies=PROXIES, listen=[Endpoint("0.0.0.0", 1)])
    assert pac.proxies_of(given_settings, "seen.example") == tuple(PROXIES)


def test_an_ipv6_host_is_put_in_brackets():
    assert pac.host_and_port("2001:db8::7", 80) == "[2001:db8::7]:80"


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("proxy.police.example", "proxy.police.example"),
        ("PROXY.police.example:8081", "proxy.police.example"),
        ("10.1.2.3:8081", "10.1.2.3"),
        ("[2001:db8::7]:8081", "2001:db8::7"),
        ("evil.example/path", None),
        ("a b", None),
        ('a";DIRECT', None),
        ("user@proxy.police.example", None),
        ("proxy.police.example:99999", None),
        ("", None),
        (None, None),
    ],
)
def test_only_a_valid_host_is_taken_from_the_header(header: str | None, host: str | None):
    assert pac.host_of(header) == host


@settings(deadline=None)
@given(st.text())
def test_a_host_header_never_breaks_the_file(header: str):
    host = pac.host_of(header)
    if host is not None:
        pac.script(settings_with(), [pac.host_and_port(host, 8080)])
