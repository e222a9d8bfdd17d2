"""Buttons of our pages, clicked on every lane: in the clear, out of TLS, over HTTP/2.

Nothing of them reaches a site, in whatever spelling, and nothing that waits for a click passes
without it.
"""

from __future__ import annotations

import asyncio
import html
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.http2 import Http2
from support.personal import POLICY, STATEMENT
from support.stage import request_head
from support.today import Day, DayDeeds

from proxy_addons.gate.gate import basis_of
from proxy_addons.gate.tokens import Deed, Tokens
from proxy_addons.settings.shifts import Acknowledgement, Shifts
from proxy_addons.standing.problems import StepRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.client import Client
    from support.stage import Stage

SECRET = b"s" * 32
PAGE = {
    "accept": "text/html,*/*;q=0.8",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
    "sec-fetch-site": "none",
    "sec-fetch-user": "?1",
}
CLICK = PAGE | {"sec-fetch-site": "same-origin"}
SCRIPT = {"accept": "*/*", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
WAYS = ["relay-clear", "generic-clear", "relay-tls", "generic-tls", "generic-h2"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def lane(way: str) -> str:
    return way.partition("-")[0]


class Browser:
    """Somebody at one host, on one connection, by one of the ways."""

    def __init__(self, stage: Stage, way: str, host: str) -> None:
        self.stage, self.host = stage, host
        self.kind = way.partition("-")[2]
        self.side: Http2 | None = None
        self.client: Client

    async def open(self, address: str = "127.0.0.1") -> Browser:
        self.client = await self.stage.client(address)
        if self.kind != "clear":
            assert (await self.client.connect_to(f"{self.host}:443")).status == 200
            alpn = "h2" if self.kind == "h2" else "http/1.1"
            await self.client.start_tls(self.host, self.stage.authority, alpn=(alpn,))
        if self.kind == "h2":
            self.side = Http2(self.client.reader, self.client.writer, client=True)
        return self

    async def ask(
        self, path: str, fields: dict[str, str] = PAGE, method: str = "GET"
    ) -> tuple[int, str, str]:
        """Status, body, and where it leads."""
        if self.side is not None:
            stream = self.side.ask(path, self.host, *fields.items(), method=method)
            status, body = await self.side.answer(stream)
            leads = self.side.headers[stream].get("location", "")
            return status, body.decode("utf-8", "replace"), leads
        target = f"http://{self.host}{path}" if self.kind == "clear" else path
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        if method == "POST":
            lines.append("Content-Length: 0")
        self.client.send("\r\n".join(lines) + "\r\n\r\n")
        reply = await self.client.answer(method)
        return (
            reply.status,
            reply.body.decode("utf-8", "replace"),
            reply.headers.get("location", ""),
        )

    async def close(self) -> None:
        if self.side is not None:
            await self.side.close()


SITE = "shop.test"
HOSTS = ("shop.test", "assistant.test", "elsewhere.test", "blocked.test")


@pytest.fixture
async def set_up(stage_with: Callable[..., Any], way: str) -> Callable[..., Any]:
    """A stage with people's days, and origins that write down what comes."""

    async def make(shifts: Shifts | None = None) -> Stage:
        stage: Stage = await stage_with(policy=POLICY)
        stage.worker.settings = replace(stage.settings, shifts=shifts or Shifts())
        stage.gate.basis = basis_of(stage.worker.settings, stage.gate.basis.index)
        stage.day = stage.gate.people.today = Day()
        stage.deeds = DayDeeds(stage.day)
        stage.gate.personal.statement = STATEMENT
        stage.tokens = Tokens(SECRET, time.time)
        stage.gate.offer(stage.tokens, stage.deeds)
        stage.seen = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while head := await request_head(reader):
                stage.seen.append(head.partition("\r\n")[0])
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsite")
                await writer.drain()

        if way.endswith("clear"):
            await stage.origin(*HOSTS, script=serve)
        else:
            await stage.secure_origin(*HOSTS, script=serve)
        return stage

    return make


@pytest.fixture
async def at(set_up: Callable[..., Any]) -> Stage:
    made: Stage = await set_up()
    return made


def button(page: str, label: str) -> str:
    """Where a button leads."""
    for form, buttons in re.findall(r'<form method="post"([^>]*)>(.*?)</form>', page, re.DOTALL):
        for attributes, text in re.findall(r"<button([^>]*)>([^<]*)</button>", buttons):
            said = re.search(r'aria-label="([^"]*)"', attributes)
            if label in (said[1] if said else text):
                leads = re.search(r'action="([^"]*)"', attributes + form)
                assert leads is not None
                return html.unescape(leads[1])
    pytest.fail(f"no button {label!r} in {page}")


async def test_a_break_opens_the_page_that_was_refused_and_its_end_closes_it(
    at: Stage, way: str
) -> None:
    browser = await Browser(at, way, SITE).open()
    status, page, _ = await browser.ask("/list?q=tea&x=%C3%A9")
    assert status == 403
    status, _, leads = await browser.ask(button(page, "15 minutes"), CLICK, "POST")
    scheme = "http" if browser.kind == "clear" else "https"
    assert (status, leads) == (303, f"{scheme}://{SITE}/list?q=tea&x=%C3%A9")
    assert at.deeds.done == [("start-break", "pc1234", "15")]
    assert (await browser.ask("/list?q=tea&x=%C3%A9"))[:2] == (200, "site")
    at.day.end("pc1234", time.time())
    status, page, _ = await browser.ask("/list")
    assert status == 403, "refused again, on the same connection"
    await browser.close()
    assert at.seen == ["GET /list?q=tea&x=%C3%A9 HTTP/1.1"]
    refused, clicked, passed, again = sorted(await at.end(), key=lambda each: each["id"])
    assert [each["rule"] for each in (refused, clicked, passed, again)] == [
        "personal-use", "gateway-action", "in-a-break", "personal-use",
    ]  # fmt: skip
    assert (clicked["action"], clicked["status"], clicked["reason"]) == (
        "allow", 303, "start-break 15",
    )  # fmt: skip
    assert clicked["url"] == f"{scheme}://{SITE}/.well-known/watchhouse/start-break"
    assert passed["counted"] is True


async def test_a_click_on_the_page_that_coaches(at: Stage, way: str) -> None:
    browser = await Browser(at, way, "assistant.test").open()
    status, page, _ = await browser.ask("/chat")
    assert status == 403
    status, _, leads = await browser.ask(button(page, "go on"), CLICK, "POST")
    assert (status, leads.endswith("/chat")) == (303, True)
    assert at.deeds.done == [("confirm", "pc1234", "assistants", "assistant.test")]
    assert (await browser.ask("/chat"))[0] == 200
    await browser.close()
    coached, clicked, passed = await at.end()
    said = [(each["action"], each["rule"], each["status"]) for each in (coached, clicked, passed)]
    assert said[0] == ("coach", "assistants", 403)
    assert said[1] == ("allow", "gateway-action", 303)
    assert said[2] == ("allow", "assistants", 200)
    assert {each["person"] for each in (coached, clicked, passed)} == {"pc1234"}
    assert clicked["reason"].startswith("confirm assistants assistant.test")


async def test_only_a_post_is_a_click(at: Stage, way: str) -> None:
    """What a browser fetches ahead, or a link leads to, confirms nothing: a button does."""
    browser = await Browser(at, way, "assistant.test").open()
    _, page, _ = await browser.ask("/chat")
    path = button(page, "go on")
    for method in ("GET", "HEAD", "PUT"):
        assert (await browser.ask(path, CLICK, method))[0] in {403, 404}
    assert not at.deeds.done
    assert (await browser.ask("/chat"))[0] == 403
    assert (await browser.ask(path, CLICK, "POST"))[0] == 303, "the button itself still counts"
    await browser.close()


async def test_what_was_sent_before_a_click_is_for_the_person_to_send_again(
    at: Stage, way: str
) -> None:
    """Its address alone would ask for something else, or for nothing that there is."""
    browser = await Browser(at, way, "assistant.test").open()
    status, page, _ = await browser.ask("/chat", PAGE, "POST")
    assert status == 403
    assert "Back button leads back to what you wrote" in page
    status, page, leads = await browser.ask(button(page, "go on"), CLICK, "POST")
    assert (status, leads) == (200, "")
    assert "You can send it now" in page
    assert at.deeds.done == [("confirm", "pc1234", "assistants", "assistant.test")]
    assert (await browser.ask("/chat", PAGE, "POST"))[0] == 200
    await browser.close()
    assert at.seen == ["POST /chat HTTP/1.1"]


async def test_the_statement_is_acknowledged(set_up: Callable[..., Any], way: str) -> None:
    at = await set_up(Shifts(acknowledgement=Acknowledgement(required=True)))
    browser = await Browser(at, way, "elsewhere.test").open()
    assert (await browser.ask("/api", SCRIPT))[0] == 403
    status, page, _ = await browser.ask("/")
    assert status == 403
    assert (await browser.ask(button(page, "I have read this"), CLICK, "POST"))[0] == 303
    assert at.deeds.done == [("acknowledge", "pc1234", STATEMENT.version, "127.0.0.1")]
    assert (await browser.ask("/"))[0] == 200
    await browser.close()
    assert at.seen == ["GET / HTTP/1.1"]


async def test_a_review_is_asked_for(at: Stage, way: str) -> None:
    browser = await Browser(at, way, "blocked.test").open()
    _, page, _ = await browser.ask("/inbox?secret=1")
    status, page, _ = await browser.ask(button(page, "for my work"), CLICK, "POST")
    assert status == 200
    assert "RV-2026-0001" in page
    ((_, name, url, *rest),) = at.deeds.done
    assert (name, rest) == ("pc1234", ["webmail", "webmail", "I need this site for my work."])
    assert url.endswith("://blocked.test/inbox?secret=1")
    await browser.close()
    assert not at.seen


async def test_each_refusal_of_what_was_opened_counts_once(at: Stage, way: str) -> None:
    """Whichever lane asks the gate, and however many parts the page had."""
    browser = await Browser(at, way, "shop.test").open()
    for path, fields in (("/", PAGE), ("/x.js", SCRIPT), ("/again", PAGE), ("/icon", SCRIPT)):
        assert (await browser.ask(path, fields))[0] == 403
    assert [(name, rule) for name, _, rule in at.day.refusals] == [
        ("pc1234", "personal-use"), ("pc1234", "personal-use"),
    ]  # fmt: skip


async def test_nothing_that_waits_for_a_click_passes_without_it(at: Stage, way: str) -> None:
    browser = await Browser(at, way, "assistant.test").open()
    for fields in (PAGE, SCRIPT, {}):
        assert (await browser.ask("/", fields))[0] == 403
        assert (await browser.ask("/", fields, "POST"))[0] == 403
    await browser.close()
    at.worker.settings = replace(
        at.worker.settings, shifts=Shifts(acknowledgement=Acknowledgement(required=True))
    )
    at.gate.basis = basis_of(at.worker.settings, at.gate.basis.index)
    browser = await Browser(at, way, "elsewhere.test").open()
    for fields in (PAGE, SCRIPT, {}):
        assert (await browser.ask("/", fields))[0] == 403
    await browser.close()
    assert not at.seen


TOKENS: dict[str, Callable[[Stage], str]] = {
    "none": lambda _: "",
    "empty": lambda _: "?token=",
    "rubbish": lambda _: "?token=AAAA",
    "no base64": lambda _: "?token=%00",
    "of somebody else": lambda at: _token(at, "dc5678"),
    "of another host": lambda at: _token(at, host="assistant.test"),
    "of another action": lambda at: _token(at, action="end-break"),
    "of another secret": lambda at: _token(at, tokens=Tokens(b"x" * 32, time.time)),
    "too old": lambda at: _token(at, tokens=Tokens(SECRET, lambda: time.time() - 901)),
    "not yet": lambda at: _token(at, tokens=Tokens(SECRET, lambda: time.time() + 3600)),
    "twice": lambda at: _token(at) + "&" + _token(at)[1:],
    "changed": lambda at: _changed(_token(at)),
}


def _token(
    at: Stage,
    name: str = "pc1234",
    *,
    host: str = SITE,
    action: str = "start-break",
    tokens: Tokens | None = None,
) -> str:
    return "?token=" + (tokens or at.tokens).make(name, host, Deed(action, "15", "/"))


def _changed(token: str) -> str:
    return f"{token[:12]}{'A' if token[12] != 'A' else 'B'}{token[13:]}"


async def test_a_token_that_does_not_count_does_nothing(at: Stage, way: str) -> None:
    browser = await Browser(at, way, SITE).open()
    for name, token in TOKENS.items():
        path = f"/.well-known/watchhouse/start-break{token(at)}"
        status, page, _ = await browser.ask(path, CLICK, "POST")
        assert status == 403, name
        assert "That did not work" in page, name
    await browser.close()
    assert not at.deeds.done
    assert not at.seen
    records = await at.end()
    assert len(records) == len(TOKENS)
    for record in records:
        assert (record["action"], record["rule"]) == ("block", "gateway-action")
        assert "token" not in record["url"]


NO_CLICKS = (
    SCRIPT,
    CLICK | {"sec-fetch-user": "?0"},
    CLICK | {"sec-fetch-site": "cross-site"},
    CLICK | {"sec-fetch-dest": "iframe"},
)


async def test_no_script_can_click(at: Stage, way: str) -> None:
    browser = await Browser(at, way, SITE).open()
    path = f"/.well-known/watchhouse/start-break{_token(at)}"
    for fields in NO_CLICKS:
        assert (await browser.ask(path, fields, "POST"))[0] == 403
    await browser.close()
    assert not at.deeds.done


async def test_nobody_unknown_can_click(at: Stage, way: str) -> None:
    browser = await Browser(at, way, SITE).open("127.0.0.9")
    path = f"/.well-known/watchhouse/start-break{_token(at)}"
    assert (await browser.ask(path, CLICK, "POST"))[0] == 403
    await browser.close()
    assert not at.deeds.done


OURS = (
    "/.well-known/watchhouse/",
    "/.well-known/watchhouse",
    "/.well-known/watchhouse/anything?token=x",
    "/.well-known/watchhouse/start-break/more",
    "/.well-known//watchhouse/start-break",
    "//.well-known/watchhouse/start-break",
    "/x/../.well-known/watchhouse/start-break",
    "/./.well-known/./watchhouse/start-break",
    "/.Well-Known/Watchhouse/Start-Break",
    "/.well-known/watch%68ouse/start-break",
    "/%2ewell-known/%77%61%74%63%68%68%6f%75%73%65/start-break",
    "/.well-known/watch%2568ouse/start-break",
    "/.well-known%2fwatchhouse/start-break",
    "/.well-known%5cwatchhouse/start-break",
    "/.well-known;x/watchhouse;y/start-break",
)


async def test_our_addresses_are_sent_to_no_site_in_any_spelling(at: Stage, way: str) -> None:
    count = 0
    for method in ("GET", "POST", "HEAD", "PUT", "OPTIONS"):
        browser = await Browser(at, way, "elsewhere.test").open()
        for path in OURS:
            status, _, _ = await browser.ask(path, CLICK, method)
            assert status in {403, 404}, (method, path)
            count += 1
        await browser.close()
    assert not at.seen
    records = await at.end()
    assert len(records) == count
    assert {record["action"] for record in records} == {"block"}


async def test_an_ordinary_address_beside_ours_is_a_sites_own(at: Stage, way: str) -> None:
    browser = await Browser(at, way, "elsewhere.test").open()
    for path in ("/.well-known/security.txt", "/watchhouse", "/a/.well-known/watchhouse/x"):
        assert (await browser.ask(path))[0] == 200
    await browser.close()
    assert len(at.seen) == 3


async def test_what_a_rule_of_breaks_refuses_is_said(at: Stage, way: str) -> None:
    at.deeds.refuses = StepRefusedError("gap", "The next break can start at 14:10.", "Inf/27 2.9.1")
    browser = await Browser(at, way, SITE).open()
    path = f"/.well-known/watchhouse/start-break{_token(at)}"
    status, page, _ = await browser.ask(path, CLICK, "POST")
    assert status == 403
    assert "The next break can start at 14:10." in page
    await browser.close()
    (record,) = await at.end()
    assert (record["action"], record["rule"]) == ("block", "break-unavailable")


async def test_a_store_that_fails_does_nothing_and_says_so(at: Stage, way: str) -> None:
    at.deeds.refuses = RuntimeError("secret")
    browser = await Browser(at, way, SITE).open()
    path = f"/.well-known/watchhouse/start-break{_token(at)}"
    status, page, _ = await browser.ask(path, CLICK, "POST")
    assert status == 503
    assert "secret" not in page
    assert (await browser.ask("/"))[0] == 403
    await browser.close()


async def test_a_client_that_leaves_before_the_answer_leaves_a_record(at: Stage, way: str) -> None:
    at.deeds.waits.clear()
    browser = await Browser(at, way, SITE).open()
    path = f"/.well-known/watchhouse/start-break{_token(at)}"
    asking = asyncio.ensure_future(browser.ask(path, CLICK, "POST"))
    await asyncio.sleep(0.1)
    browser.client.reset()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await browser.close()
    (record,) = await at.end()
    assert (record["action"], record["rule"]) == ("block", "gateway-action")
    assert "left" in record["error"]


async def test_a_part_that_fails_lets_nothing_pass(
    at: Stage, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> Any:
        raise RuntimeError("secret")

    browser = await Browser(at, way, "elsewhere.test").open()
    for part in ("site_categories", "stamp", "states"):
        with monkeypatch.context() as patch:
            patch.setattr(at.day, part, broken)
            at.day.changed()
            assert (await browser.ask("/"))[0] == 503
    with monkeypatch.context() as patch:
        patch.setattr(at.gate.personal, "waits", broken)
        assert (await browser.ask("/"))[0] == 503
    with monkeypatch.context() as patch:
        patch.setattr(at.gate.actions, "perform", broken)
        path = f"/.well-known/watchhouse/start-break{_token(at)}"
        assert (await browser.ask(path, CLICK, "POST"))[0] == 503
    await browser.close()
    assert not at.seen
