"""Target: the lines that Squid writes to `watchhouse decide`.

As many answers as lines, each of one line that Squid understands and with the channel of its line;
the short way decides as the long one does; what is cut into pieces reads as the whole.

In: lines, cut at places that the first octet chooses. Out: nothing, or a finding.
Must never: pass what cannot be read.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache

from fuzzlib.place import folder
from proxy_addons.categorisation import CategoryIndex, compile_index
from proxy_addons.categorisation.tree import read_tree
from proxy_addons.gate.redirector.answers import redirect_of
from proxy_addons.gate.redirector.callers import Callers
from proxy_addons.gate.redirector.desk import Basis, Desk
from proxy_addons.gate.redirector.lines import Feed, TooLong
from proxy_addons.identity.addresses import AddressMap
from proxy_addons.settings.load import load

_NOW = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
_ANSWER = re.compile(r'(?:([0-9]{1,10}) )?(?:ERR|OK status=30[23] url="[!#-~]*")')
_CHANNEL = re.compile(rb"([0-9]{1,10})[ \t]")
_FIELDS = 4
_OTHER = 128  # in the first octet: by the other policy
_REDIRECT = "302:http://blocked.test/?a=%a&n=%n&i=%i&s=%s&t=%t&u=%u&p=%p&r=%r"
_POLICY = """version: 1
time_zone: Europe/London
profiles:
  staff: {description: Staff.}
  others: {description: Others., strictest: true}
rules:
  - {id: games, reason: No games., action: block, when: {categories: games}}
  - {id: post, reason: No post., action: block, when: {profiles: others, methods: POST}}
  - {id: named, reason: Named., action: block, when: {hosts: named.example}}
  - {id: everything-else, reason: Allowed., action: allow}
"""
# Rules that look at more than the host, and lead elsewhere.
_MORE = _POLICY.replace(
    "rules:\n",
    """rules:
  - {id: part, reason: Part., action: block, when: {url: mixed.example/part}}
  - {id: word, reason: Word., action: block, when: {url_matches: "[?&]word="}}
  - {id: ports, reason: Ports., action: block, when: {ports: 8000-8999, clients: 192.0.2.0/24}}
  - {id: moved, reason: Moved., action: redirect, to: "http://new.example/?{url}&{host}",
     when: {any: [{url: ok.example/old}, {hosts: moved.example}]}}
  - {id: round, reason: Round., action: redirect, to: "http://moved.example/{url}",
     when: {url: ok.example/round}}
""",
)
_SETTINGS = """identity:
  addresses: [{network: 10.0.0.0/8, person: somebody, profile: staff}]
"""


@cache
def _basis(policy_text: str) -> Basis:
    made = folder() / ("redirector-more" if policy_text == _MORE else "redirector")
    lists = made / "lists" / "games"
    lists.mkdir(parents=True)
    (lists / "domains").write_text("games.example\nweb.games.test\n", encoding="ascii")
    (lists / "urls").write_text("mixed.example/play\nmixed.example/a%20b?x=1\n", encoding="ascii")
    (lists / "expressions").write_text("(^|[./])casino[^a-z]\n", encoding="ascii")
    (made / "policy.yaml").write_text(policy_text, encoding="ascii")
    (made / "watchhouse.yaml").write_text(_SETTINGS, encoding="ascii")
    compile_index((read_tree("starter", made / "lists"),), made / "index")
    settings = load(made, environ={})
    policy = settings.policy
    addresses = AddressMap(settings.identity.addresses, policy.strictest_profile)
    callers = Callers((), addresses, policy)
    return Basis(settings, CategoryIndex.open(made / "index"), callers)


def seeds() -> list[bytes]:
    """Lines of all kinds."""
    lines = [
        b"\0http://games.example/ 10.0.0.1/- - GET\n7 http://ok.example/a?b 10.0.0.1/- b GET a=b\n",
        b"\x09http://img.games.example/a/b 10.1.1.1/host.example x%5Cy GET myip=1 myport=2\n",
        b"\5games.example:443 192.0.2.1/- - CONNECT\n1 [2001:db8::1]:443 ::1/- - CONNECT\n",
        b"\3http://mixed.example/play/on 10.0.0.1/- - POST\nhttp://MIXED.example/%70lay - - GET\n",
        b"\0https://named.example/ 10.0.0.1/- - GET\nhttp://www.web.games.test/;x 1.1.1.1/- - A\n",
        b"\2http://casino.example/x 10.0.0.1/- - GET\n\n",
        b"\2http://web.archive.org/web/1/http://games.example/ 10.0.0.1/- - GET\n",
        b"\2ftp://u:p@games.example//x/../y 10.0.0.1/- - GET\n",
        b"\1http://" + b"a" * 70 + b".example/ 10.0.0.1/- - GET\nhttp://a..b/ 10.0.0.1/- - GET",
        b"\0" + b"1 http://x.example/" + b"a" * 140_000 + b" 10.0.0.1/- - GET\n2 x\n",
        b"\1http://mixed.example/a 10.0.0.1/- - GET\nhttp://mixed.example/part 10.0.0.1/- - GET\n",
        b"\1http://ok.example/old/x 10.0.0.1/- - POST\nhttp://ok.example/round 10.0.0.1/- - GET\n",
        b"\1http://moved.example/x?word=a 192.0.2.1/- - GET\nhttp://a.test:8080/ 192.0.2.1/- - A",
    ]
    return [*lines, *(bytes([each[0] | _OTHER]) + each[1:] for each in lines)]


def words() -> list[bytes]:
    """What lines are made of."""
    return [
        *(b"\n", b"\r\n", b" ", b"\t", b"  ", b"\0", b"\x85", b"\xa0", b"\xe2\x80\xa8", b"\xff"),
        *(b"http://", b"https://", b"ftp://", b"://", b"/", b"//", b"/./", b"/../", b"%2e", b"%2F"),
        *(
            b"?",
            b"#",
            b"&",
            b";",
            b"@",
            b":",
            b":80",
            b":443",
            b".",
            b"..",
            b"xn--",
            b"www.",
            b"web.",
        ),
        *(
            b" - GET",
            b" - CONNECT",
            b" 10.0.0.1/-",
            b"123 ",
            b"99999999999 ",
            b"dns=AAAA",
            b'"',
            b"\\",
        ),
        *(
            b"games.example",
            b"mixed.example/play",
            b"casino",
            b"1.2.3.4",
            b"[::1]",
            b"0x7f.1",
            b"%ff",
        ),
        *(b"/browse.php?u=", b"google.com/url?q=", b"translate.goog", b"\xc3\xbc", b"%00", b"%0a"),
    ]


def check(data: bytes) -> None:
    """One answer a line, whatever the line."""
    if not data:
        return
    size, octets = data[0] % _OTHER + 1, data[1:]
    basis = _basis(_MORE if data[0] & _OTHER else _POLICY)
    whole = _texts([octets])
    cut = _texts([octets[place : place + size * 37] for place in range(0, len(octets), size * 37)])
    assert _lines(whole) == _lines(cut), "cut at other places, it reads otherwise"
    desk = Desk(redirect_of(_REDIRECT), "3.4")
    desk.rest_on(basis)
    alone = Desk(redirect_of(_REDIRECT), "3.4")
    alone.rest_on(basis)
    lines = octets.split(b"\n")
    lines = lines[:-1] if not lines[-1] else lines
    answers: list[str] = []
    for text in whole:
        if isinstance(text, TooLong):
            answers.append(desk.too_long(text.beginning))
            continue
        found = desk.answers(text, _NOW)
        answers += found
        alone.answers("", _NOW)  # so that it knows the time
        long_way = [alone._one("", line) for line in text.split("\n")]  # noqa: SLF001
        assert found == long_way, "the short way decides otherwise"
    assert len(answers) == len(lines), "not one answer a line"
    for line, answer in zip(lines, answers, strict=True):
        told = _ANSWER.fullmatch(answer)
        assert told is not None, answer
        channel = _CHANNEL.match(line)
        assert (told[1] or "").encode() == (channel[1] if channel else b""), "another's answer"
        assert len(answer) < 30_000, "longer than Squid reads"
        if answer.endswith("ERR"):
            assert len(line.split()) >= _FIELDS, "passed what is no line"
            assert b"\0" not in line, "passed what is no text"


def _texts(pieces: list[bytes]) -> list[str | TooLong]:
    feed = Feed()
    return [text for piece in pieces for text in feed.feed(piece)] + feed.end()


def _lines(texts: list[str | TooLong]) -> list[str | TooLong]:
    return [
        line for text in texts for line in (text.split("\n") if isinstance(text, str) else [text])
    ]
