"""The block page: what it says, in every form, to friend and foe."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy_addons.gate.blockpage import reference_groups, render
from proxy_addons.gate.echo import address, visible
from proxy_addons.gate.refusal import Answer, Button, Help, Kind, Refusal
from proxy_addons.policy.model import Action, Decision
from proxy_addons.settings.model import Page

ROOT = Path(__file__).parents[2]
LONDON = ZoneInfo("Europe/London")
PAGE = Page("Sample Police", "ICT service desk, extension 4000", "Use may be monitored.")
SHOPPING = Decision(
    Action.BLOCK,
    "personal-use",
    "Inf/27 2.9.1",
    "Shopping is personal use, which is for breaks.",
    ("shopping", "auction-sites"),
    "standard",
    retry_at=datetime(2026, 11, 24, 12, 0, tzinfo=LONDON),
)
WEBMAIL = Decision(
    Action.BLOCK, "webmail", "Inf/27 2.10.1", "Webmail is not allowed.", ("webmail",), "standard"
)
REFUSAL = Refusal(
    url="https://www.shop.example/basket?item=1",
    host="www.shop.example",
    method="GET",
    decision=SHOPPING,
    kind=Kind.POLICY,
    reference="01KAHV7Q3M9X2T5R",
    person="PC 1234 Sample",
    page=PAGE,
    moment=datetime(2026, 11, 24, 10, 30, 12, tzinfo=LONDON),
    accept="text/html",
)


class Seen(HTMLParser):
    """What a browser would make of a page: tags with attribute names, and the text."""

    def __init__(self, body: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.words: list[str] = []
        self.counts: dict[str, int] = {}
        self.feed(body.decode("utf-8"))
        self.close()
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.counts[tag] = self.counts.get(tag, 0) + 1

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def headers_of(answer: Answer) -> dict[str, str]:
    return dict(answer.headers)


def test_the_page_says_everything() -> None:
    text = Seen(render(REFUSAL).body).text
    for said in (
        "This page is not available at the moment",
        "www.shop.example",
        "https://www.shop.example/basket?…",
        SHOPPING.reason,
        "Inf/27 2.9.1",
        "personal-use",
        "shopping, auction sites",
        "today at 12:00",
        PAGE.contact,
        PAGE.monitoring_notice,
        PAGE.organisation,
        "Tuesday 24 November 2026, 10:30:12 GMT",
        "What happens next",
    ):
        assert said in text, said


NOT_SENT = "Your request was not sent to the site."
NOT_YET = "Nothing has been sent to the site yet."
NOT_PASSED_ON = "What it sent has not been passed on to you."
BACK = "Back button leads back to what you wrote"


@pytest.mark.parametrize(
    ("kind", "findings", "method", "said", "not_said"),
    [
        (Kind.POLICY, (), "GET", [NOT_SENT], [NOT_PASSED_ON, BACK]),
        (Kind.POLICY, (), "POST", [NOT_SENT, BACK], [NOT_PASSED_ON]),
        (Kind.POLICY, ("file_type=windows-program",), "GET", [NOT_PASSED_ON], [NOT_SENT, BACK]),
        (Kind.POLICY, ("virus=found",), "POST", [NOT_PASSED_ON], [NOT_SENT, BACK]),
        (
            Kind.POLICY,
            ("marking=secret",),
            "POST",
            ["This was not sent", NOT_SENT, BACK],
            [NOT_PASSED_ON, "This page is not available"],
        ),
        (Kind.COACH, ("sends=force-address",), "POST", [NOT_YET, BACK], [NOT_PASSED_ON]),
        (Kind.COACH, ("archive_member=macos-program",), "GET", [NOT_PASSED_ON], [NOT_YET, BACK]),
    ],
)
def test_the_page_says_what_has_happened(
    kind: Kind, findings: tuple[str, ...], method: str, said: list[str], not_said: list[str]
) -> None:
    refusal = replace(
        REFUSAL, kind=kind, method=method, decision=replace(WEBMAIL, findings=findings)
    )
    text = Seen(render(refusal).body).text
    assert [each for each in said if each not in text] == []
    assert [each for each in not_said if each in text] == []


def test_what_speaks_of_my_browsing_leads_there() -> None:
    offer = Help(
        words="You have 45 minutes of breaks left today.",
        reviews=(Button("It is for work", "/r"),),
        back="https://www.shop.example/basket",
    )
    page = replace(PAGE, portal="https://portal.force.example")
    for refusal, links in (
        (replace(REFUSAL, help=offer), 0),
        (replace(REFUSAL, help=offer, page=page), 3),
        (replace(REFUSAL, page=page), 0),
    ):
        found = Seen(render(refusal).body).attributes
        assert found.count(("a", "href", "https://portal.force.example/browsing")) == links


def test_the_page_is_built_for_screen_readers() -> None:
    seen = Seen(render(REFUSAL).body)
    assert seen.counts["h1"] == seen.counts["main"] == seen.counts["header"] == 1
    assert ("html", "lang", "en-GB") in seen.attributes
    assert ("time", "datetime", "2026-11-24T12:00:00+00:00") in seen.attributes
    labels = {value for _, name, value in seen.attributes if name == "aria-labelledby"}
    ids = [value for _, name, value in seen.attributes if name == "id"]
    assert labels <= set(ids)
    assert len(ids) == len(set(ids))


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    seen = Seen(render(REFUSAL).body)
    assert "script" not in seen.counts
    links = [value for _, name, value in seen.attributes if name in {"src", "href", "action"}]
    assert all(link and link.startswith("data:") for link in links)
    assert not any(name.startswith("on") for _, name, _ in seen.attributes)


@pytest.mark.parametrize(
    ("accept", "dest"),
    [
        ("text/html", ""),
        ("application/json", ""),
        ("text/plain", ""),
        ("*/*", "image"),
        ("*/*", "script"),
        ("*/*", "style"),
        ("*/*", "font"),
    ],
)
@pytest.mark.parametrize("kind", list(Kind))
def test_every_answer_carries_the_headers(kind: Kind, accept: str, dest: str) -> None:
    answer = render(replace(REFUSAL, kind=kind, accept=accept, sec_fetch_dest=dest))
    headers = headers_of(answer)
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Vary"] == "Accept, Sec-Fetch-Dest"
    status = r'watchhouse(; error=[a-z_]+)?; details="[ !#-~]*"'
    assert re.fullmatch(status, headers["Proxy-Status"])
    assert ("error" in headers["Proxy-Status"]) is (answer.status >= 400)
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert len(headers) == len(answer.headers)
    assert answer.body


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        ("policy", 403, "http_request_denied"),
        ("destination-denied", 403, "destination_ip_prohibited"),
        ("port-denied", 403, "http_request_denied"),
        ("bad-request", 400, "http_request_error"),
        ("undecided", 503, "proxy_internal_error"),
        ("log-unavailable", 503, "proxy_internal_error"),
        ("overloaded", 503, "proxy_internal_response"),
        ("upstream-failed", 502, "destination_unavailable"),
        ("upstream-timeout", 504, "connection_timeout"),
        ("upstream-name", 502, "dns_error"),
        ("upstream-tls", 502, "tls_protocol_error"),
        ("upstream-certificate", 502, "tls_certificate_error"),
        ("upstream-response", 502, "http_protocol_error"),
        ("a kind from the future", 503, "proxy_internal_error"),
    ],
)
def test_each_kind_has_its_status_and_error(kind: str, status: int, error: str) -> None:
    answer = render(replace(REFUSAL, kind=kind, decision=None))
    assert answer.status == status
    assert f"error={error};" in headers_of(answer)["Proxy-Status"]
    assert ("Retry-After" in headers_of(answer)) == (status == 503)
    said = json.loads(
        render(replace(REFUSAL, kind=kind, decision=None, accept="application/json")).body
    )
    assert said["action"] == ("allow" if kind.startswith("upstream-") else "block")


def test_json_is_flat_and_typed() -> None:
    answer = render(replace(REFUSAL, accept="application/json"))
    assert headers_of(answer)["Content-Type"] == "application/json"
    assert json.loads(answer.body) == {
        "error": "policy",
        "action": "block",
        "rule": "personal-use",
        "clause": "Inf/27 2.9.1",
        "reason": SHOPPING.reason,
        "categories": ["shopping", "auction-sites"],
        "findings": [],
        "retry_at": "2026-11-24T12:00:00+00:00",
        "reference": "01KAHV7Q3M9X2T5R",
        "contact": PAGE.contact,
    }


def test_json_keeps_its_fields_without_a_decision() -> None:
    full = json.loads(render(replace(REFUSAL, accept="application/json")).body)
    bare = json.loads(
        render(
            replace(
                REFUSAL,
                accept="application/json",
                decision=None,
                reference=None,
                kind=Kind.LOG_UNAVAILABLE,
            )
        ).body
    )
    assert bare.keys() == full.keys()
    assert bare["rule"] is bare["retry_at"] is bare["reference"] is None
    assert bare["categories"] == []


@pytest.mark.parametrize("kind", list(Kind))
def test_git_gets_text_which_it_shows(kind: Kind) -> None:
    url = "https://git.example/demo.git/info/refs?service=git-upload-pack"
    answer = render(replace(REFUSAL, url=url, kind=kind, accept="*/*"))
    # remote-curl.c, show_http_message: of this type, and of no other.
    assert headers_of(answer)["Content-Type"].partition(";")[0] == "text/plain"
    assert b"Reference: 01KAHV7Q3M9X2T5R\n" in answer.body


def test_an_image_is_one_pixel() -> None:
    answer = render(replace(REFUSAL, sec_fetch_dest="image"))
    assert answer.status == 403
    assert headers_of(answer)["Content-Type"] == "image/gif"
    assert answer.body[:10] == b"GIF89a\x01\x00\x01\x00"
    assert len(answer.body) < 50


@pytest.mark.parametrize(("dest", "kind"), [("script", "javascript"), ("style", "css")])
def test_scripts_and_styles_get_a_comment(dest: str, kind: str) -> None:
    answer = render(replace(REFUSAL, sec_fetch_dest=dest))
    assert headers_of(answer)["Content-Type"] == f"text/{kind}; charset=utf-8"
    assert answer.body == (
        b"/* Watchhouse: refused, policy, rule personal-use, reference 01KAHV7Q3M9X2T5R */\n"
    )


def test_without_a_time_that_helps_the_page_says_so() -> None:
    text = Seen(render(replace(REFUSAL, decision=WEBMAIL)).body).text
    assert "It will be allowed" not in text
    assert "at the moment" not in text
    assert "waiting will not change it" in text


def test_a_window_that_has_opened_is_now() -> None:
    late = replace(REFUSAL, moment=datetime(2026, 11, 24, 12, 0, 1, tzinfo=LONDON))
    text = Seen(render(late).body).text
    assert "You can open it Now: load the page again" in text


def test_the_first_page_needs_no_disk():
    program = (
        "from proxy_addons.gate.pages import environment\n"
        "made = environment()\n"
        "import builtins, io, os\n"
        "builtins.open = io.open = os.open = os.stat = os.path.isfile = None\n"
        "page = {'organisation': 'o', 'monitoring_notice': 'n'}\n"
        "assert made.get_template('base.html').render(page=page)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=30)


def test_without_a_record_the_page_claims_none() -> None:
    refusal = replace(REFUSAL, kind=Kind.LOG_UNAVAILABLE, decision=None, reference=None)
    text = Seen(render(refusal).body).text
    assert "recorded" not in text
    assert "There is no reference number" in text


@pytest.mark.parametrize("accept", ["text/html", "application/json", "text/plain"])
def test_an_allowing_rule_is_not_quoted_for_a_fault_of_the_site(accept: str) -> None:
    allowed = replace(WEBMAIL, action=Action.ALLOW, rule="everything-else", reason="Fine by us.")
    refusal = replace(REFUSAL, kind=Kind.UPSTREAM_TIMEOUT, decision=allowed, accept=accept)
    body = render(refusal).body.decode()
    assert "Fine by us." not in body
    assert "everything-else" not in body
    assert "too long to answer" in body


@pytest.mark.parametrize("accept", ["text/html", "application/json", "text/plain"])
@pytest.mark.parametrize("dest", ["", "image", "script", "style"])
def test_the_person_is_never_named_and_no_query_shown(accept: str, dest: str) -> None:
    answer = render(replace(REFUSAL, accept=accept, sec_fetch_dest=dest))
    everything = repr(answer)
    assert "1234" not in everything
    assert "item=1" not in everything


@pytest.mark.parametrize(
    ("reference", "groups"),
    [
        ("01KAHV7Q3M9X2T5R", ["01KA", "HV7Q", "3M9X", "2T5R"]),
        ("ABCDE", ["ABCD", "E"]),
        ("0-12-99", ["0-12-99"]),
        ("", []),
        (None, []),
    ],
)
def test_reference_numbers_are_grouped_for_the_eye(
    reference: str | None, groups: list[str]
) -> None:
    assert reference_groups(reference) == groups


def test_copying_a_reference_gives_the_number_itself() -> None:
    body = render(REFUSAL).body.decode()
    marked = re.search(r'<strong class="ref">(.*?)</strong>', body)
    assert marked
    assert re.sub(r"<[^>]*>", "", marked[1]) == REFUSAL.reference


def test_a_reference_that_is_not_ascii_stays_whole() -> None:
    answer = render(replace(REFUSAL, sec_fetch_dest="script", reference="é*/alert(1)"))
    assert b"reference ???alert?1? */" in answer.body


# No deadline: a slow machine is no fault of the code.
SOME = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

HOSTILE = st.one_of(
    st.text(max_size=80),
    st.text(st.sampled_from("\"'<>&\\*/\r\n\0\u202e\ud800\udcff ={%}#-!:;.a"), max_size=80),
    st.sampled_from(
        [
            "</title><script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "*/alert(1);/*",
            "x\r\nSet-Cookie: a=b",
            "{{ 7*7 }}{% include 'style.css' %}",
            "javascript:alert(1)",
            "\u202egpj.exe",
            "]]>--></style></textarea>",
            "a" * 70_000,
        ]
    ),
)


def hostile(
    url: str, host: str, text: str, *, accept: str = "text/html", dest: str = ""
) -> Refusal:
    decision = replace(SHOPPING, rule=text, clause=text, reason=text, categories=(text,))
    return replace(
        REFUSAL,
        url=url,
        host=host,
        decision=decision,
        detail=text,
        reference=text,
        page=Page(text, text, text),
        method=text,
        accept=accept,
        sec_fetch_dest=dest,
    )


@SOME
@given(url=HOSTILE, host=HOSTILE, text=HOSTILE)
def test_nothing_hostile_becomes_markup(url: str, host: str, text: str) -> None:
    # What is there and what is not depends on emptiness only: compare with harmless text.
    tame = hostile("u" if address(url) else "", "h" if host else "", "t" if text else "")
    expected = [tag for tag in Seen(render(tame).body).tags if tag[0] != "span"]
    answer = render(hostile(url, host, text))
    seen = Seen(answer.body)
    assert [tag for tag in seen.tags if tag[0] not in {"span", "div"}] == [
        tag for tag in expected if tag[0] != "div"
    ]
    assert answer.body.count(b"</html>") == 1
    words = " ".join(visible(host, 260).split())
    assert words in seen.text


def test_an_endless_address_does_not_make_an_endless_page() -> None:
    ordinary = len(render(REFUSAL).body)
    answer = render(replace(REFUSAL, url="https://a.example/" + "\u202e" * 10**6, host="a" * 10**6))
    assert len(answer.body) < ordinary + 5_000
    assert "more characters)" in answer.body.decode()


@SOME
@given(url=HOSTILE, host=HOSTILE, text=HOSTILE, accept=HOSTILE, dest=HOSTILE)
def test_no_header_can_be_split(url: str, host: str, text: str, accept: str, dest: str) -> None:
    answer = render(hostile(url, host, text, accept=accept, dest=dest))
    for name, value in answer.headers:
        assert re.fullmatch(r"[A-Za-z-]+", name)
        assert re.fullmatch(r"[ -~]*", value)


@SOME
@given(url=HOSTILE, host=HOSTILE, text=HOSTILE)
def test_json_stays_json_and_harmless_in_markup(url: str, host: str, text: str) -> None:
    body = render(hostile(url, host, text, accept="application/json")).body
    assert json.loads(body)["rule"] == text.encode("utf-8", "replace").decode()
    assert not set(b"<>&") & set(body)
    body.decode("ascii")


@SOME
@given(url=HOSTILE, host=HOSTILE, text=HOSTILE, dest=st.sampled_from(["script", "style"]))
def test_comments_cannot_be_ended_early(url: str, host: str, text: str, dest: str) -> None:
    body = render(hostile(url, host, text, dest=dest)).body
    assert re.fullmatch(rb"/\* [A-Za-z0-9 ,._:?-]* \*/\n", body)


@SOME
@given(url=HOSTILE, host=HOSTILE, text=HOSTILE)
def test_plain_text_has_only_visible_characters(url: str, host: str, text: str) -> None:
    body = render(hostile(url, host, text, accept="text/plain")).body.decode("utf-8")
    assert all(line.isprintable() for line in body.split("\n"))
