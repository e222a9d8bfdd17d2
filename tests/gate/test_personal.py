"""Personal use at the gate: coaching, the statement, minutes, reviews; who is offered what."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from support.personal import EXEMPT, NOBODY, PERSON, POLICY, STATEMENT, WITHDRAWN
from support.today import Day

from proxy_addons.gate.facts import Course
from proxy_addons.gate.tokens import Tokens
from proxy_addons.policy.retry import Ahead
from proxy_addons.policy.states import ALLOWANCE_USED, OFF_DUTY, ON_DUTY
from proxy_addons.settings.shifts import Acknowledgement, Shifts

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.conftest import Doors  # type: ignore[import-not-found]

    from proxy_addons.gate.facts import RequestFacts, Verdict, Visitor

    type Head = Callable[..., RequestFacts]

LONDON = ZoneInfo("Europe/London")
PAGE = {
    "fetch_mode": "navigate",
    "fetch_dest": "document",
    "fetch_user": "?1",
    "fetch_site": "none",
    "accept": "text/html,*/*;q=0.8",
}
PICTURE = {"fetch_mode": "no-cors", "fetch_dest": "image", "accept": "image/avif,*/*"}
SCRIPT = {"fetch_mode": "cors", "fetch_dest": "empty", "accept": "*/*"}
FRAME = {"fetch_mode": "navigate", "fetch_dest": "iframe", "accept": "text/html"}
PROGRAM = {"accept": "*/*"}


class NoDeeds:
    """Nothing is done in these tests."""


@pytest.fixture
def made(doors_with: Callable[..., Doors]) -> Callable[..., Doors]:
    def make(shifts: Shifts | None = None) -> Doors:
        doors = doors_with(policy=POLICY, shifts=shifts or Shifts())
        doors.day = doors.gate.people.today = Day()
        doors.gate.personal.statement = STATEMENT
        doors.gate.offer(Tokens(b"s" * 32, doors.clock), NoDeeds())
        return doors

    return make


@pytest.fixture
def at(made: Callable[..., Doors]) -> Doors:
    return made()


def ask(doors: Doors, head: Head, url: str, address: str = PERSON, **how: Any) -> Verdict:
    verdict = doors.gate.request(doors.visitor(address), head(url, **how))
    verdict.transaction.finish()
    return verdict


def page(verdict: Verdict) -> str:
    return verdict.answer.body.decode()


def moment(doors: Doors) -> datetime:
    return datetime.fromtimestamp(doors.clock.now, UTC)


# --- when it will be allowed ------------------------------------------------------------------

DUTY, OFF = frozenset({ON_DUTY}), frozenset({OFF_DUTY})


def test_a_page_says_when_the_duty_ends(at: Doors, head: Head) -> None:
    now = moment(at)
    ends = (now + timedelta(hours=2)).replace(minute=0, second=0, microsecond=0)
    at.day.standing["pc1234"] = DUTY
    at.day.coming["pc1234"] = [Ahead(ends, DUTY), Ahead(ends + timedelta(days=1), OFF)]
    text = page(ask(at, head, "http://shop.test/", **PAGE))
    assert "It will be allowed <time" in text
    assert f"{ends.astimezone(LONDON):%H:%M}" in text
    assert "</time>, when your duty ends</p>" in text
    said = json.loads(ask(at, head, "http://shop.test/", **SCRIPT).answer.body)
    assert datetime.fromisoformat(said["retry_at"]) == ends
    # Another person's duty is another person's; what is never allowed stays without a time.
    assert "when your duty ends" not in page(ask(at, head, "http://shop.test/", "::1", **PAGE))
    assert "when your duty ends" not in page(ask(at, head, "http://blocked.test/", **PAGE))


def test_a_page_says_when_there_are_minutes_again(at: Doors, head: Head) -> None:
    now = moment(at)
    turns = (now + timedelta(hours=9)).replace(minute=0, second=0, microsecond=0)
    used = OFF | {ALLOWANCE_USED}
    at.day.standing["pc1234"] = used
    at.day.coming["pc1234"] = [Ahead(turns, used), Ahead(turns + timedelta(days=1), OFF)]
    text = page(ask(at, head, "http://shop.test/", **PAGE))
    assert "</time>, with the minutes of the next day</p>" in text
    # Recalled to duty: at once another moment.
    later = turns + timedelta(hours=8)
    recalled = DUTY | {ALLOWANCE_USED}
    at.day.coming["pc1234"] = [Ahead(later, recalled), Ahead(later + timedelta(days=1), OFF)]
    said = json.loads(ask(at, head, "http://shop.test/", **SCRIPT).answer.body)
    assert datetime.fromisoformat(said["retry_at"]) == later


# --- coaching ---------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [PAGE, PICTURE, SCRIPT, FRAME, PROGRAM, {}])
@pytest.mark.parametrize("address", [PERSON, "::1"])
def test_coach_never_passes_by_itself(
    at: Doors, head: Head, how: dict[str, str], address: str
) -> None:
    verdict = ask(at, head, "http://www.assistant.test/x", address, **how)
    assert verdict.course is Course.REFUSE
    assert verdict.answer.status == 403
    (record,) = at.records()
    assert (record["action"], record["rule"], record["status"]) == ("coach", "assistants", None)


@pytest.mark.parametrize("address", [NOBODY, WITHDRAWN])
def test_nobody_is_coached_whom_a_rule_refuses(at: Doors, head: Head, address: str) -> None:
    at.day.confirmations["ps9999", "assistants", "assistant.test"] = datetime.max.replace(
        tzinfo=UTC
    )
    verdict = ask(at, head, "http://assistant.test/", address, **PAGE)
    assert (verdict.course, verdict.transaction.rule) == (Course.REFUSE, "withdrawn")


def test_the_page_that_coaches_has_the_clause_and_one_button(at: Doors, head: Head) -> None:
    text = page(ask(at, head, "http://www.assistant.test/x", **PAGE))
    assert "What is typed here leaves the force." in text
    assert "Inf/27 2.12.1" in text
    assert text.count("<button") == 1
    assert "I understand: go on</button>" in text


def test_what_is_no_page_is_told_so_in_a_form_that_programs_read(at: Doors, head: Head) -> None:
    for how in (SCRIPT, PROGRAM, {"accept": "application/json"}, {}):
        answer = ask(at, head, "http://assistant.test/", **how).answer
        said = json.loads(answer.body)
        assert (said["error"], said["action"], said["rule"]) == ("coach", "coach", "assistants")
        assert "token" not in answer.body.decode()


@pytest.mark.parametrize("how", [PICTURE, SCRIPT, FRAME, PROGRAM | {"accept": "application/json"}])
@pytest.mark.parametrize("url", ["http://assistant.test/", "http://shop.test/"])
def test_only_a_page_in_a_window_of_its_own_has_buttons(
    at: Doors, head: Head, url: str, how: dict[str, str]
) -> None:
    assert b"token=" not in ask(at, head, url, **how).answer.body


def test_a_confirmation_lets_the_whole_site_through_for_its_time(at: Doors, head: Head) -> None:
    until = moment(at) + timedelta(minutes=60)
    at.day.confirmations["pc1234", "assistants", "assistant.test"] = until
    for url in ("http://assistant.test/", "http://cdn.assistant.test/x.js"):
        verdict = ask(at, head, url, **SCRIPT)
        assert (verdict.course, verdict.transaction.rule) == (Course.PASS, "assistants")
    assert ask(at, head, "http://assistant.test/", "::1", **PAGE).course is Course.REFUSE
    at.clock.now = until.timestamp() - 1
    assert ask(at, head, "http://assistant.test/", **PAGE).course is Course.PASS
    at.clock.now = until.timestamp()
    assert ask(at, head, "http://assistant.test/", **PAGE).course is Course.REFUSE
    assert {record["action"] for record in at.records()} == {"allow", "coach"}


def test_a_confirmation_is_for_every_name_of_a_request(at: Doors, head: Head) -> None:
    """Host and target differ: what was confirmed for the one does not open the other."""
    until = moment(at) + timedelta(minutes=60)
    at.day.confirmations["pc1234", "assistants", "allowed.test"] = until
    facts = head("http://allowed.test/", authority="assistant.test", **PAGE)
    assert at.gate.request(at.visitor(), facts).course is Course.REFUSE


# --- the statement ----------------------------------------------------------------------------

ASKED = Shifts(
    acknowledgement=Acknowledgement(
        required=True, open_categories=("government",), open_hosts=("intranet.test",)
    )
)


@pytest.mark.parametrize("how", [PAGE, PICTURE, SCRIPT, FRAME, PROGRAM, {}])
def test_nothing_passes_before_the_statement_is_acknowledged(
    made: Callable[..., Doors], head: Head, how: dict[str, str]
) -> None:
    at = made(ASKED)
    for url in ("http://elsewhere.test/", "http://assistant.test/"):
        verdict = ask(at, head, url, **how)
        assert (verdict.course, verdict.answer.status) == (Course.REFUSE, 403)
    for record in at.records():
        assert (record["action"], record["rule"]) == ("block", "not-acknowledged")
        assert record["clause"] == "Inf/27 3.8"


def test_a_tunnel_that_is_not_decrypted_waits_too(made: Callable[..., Doors]) -> None:
    at = made(ASKED)
    verdict = at.gate.connect(at.visitor(), "bank.test:443")
    assert (verdict.course, verdict.transaction.rule) == (Course.REFUSE, "not-acknowledged")
    assert at.gate.connect(at.visitor(), "www.samaritans.org:443").course is Course.PASS
    assert at.gate.connect(at.visitor(), "elsewhere.test:443").course is Course.PASS, (
        "its requests are judged one by one"
    )
    at.day.acknowledgements.add(("pc1234", STATEMENT.version))
    assert at.gate.connect(at.visitor(), "bank.test:443").course is Course.PASS


@pytest.mark.parametrize(
    ("url", "address", "passes"),
    [
        ("http://allowed.test/", PERSON, True),
        ("http://www.intranet.test/", PERSON, True),
        ("http://intranet.test/", PERSON, True),
        ("http://notintranet.test/", PERSON, False),
        ("http://samaritans.org/", PERSON, True),
        ("http://elsewhere.test/", PERSON, False),
        ("http://elsewhere.test/", EXEMPT, False),
    ],
)
def test_what_is_open_before_the_statement(
    made: Callable[..., Doors], head: Head, url: str, address: str, *, passes: bool
) -> None:
    verdict = ask(made(ASKED), head, url, address, **PAGE)
    assert (verdict.course is Course.PASS) is passes


def test_one_open_name_does_not_open_another(made: Callable[..., Doors], head: Head) -> None:
    facts = head("http://allowed.test/", authority="elsewhere.test", **PAGE)
    at = made(ASKED)
    assert at.gate.request(at.visitor(), facts).course is Course.REFUSE


def test_the_statement_is_shown_and_its_version_is_asked_for(
    made: Callable[..., Doors], head: Head
) -> None:
    at = made(ASKED)
    text = page(ask(at, head, "http://elsewhere.test/", **PAGE))
    assert "<h1>Using the web here</h1>" in text
    assert "Use it <strong>well</strong>." in text
    assert "I have read this and will keep to it</button>" in text
    at.day.acknowledgements.add(("pc1234", "another"))
    assert ask(at, head, "http://elsewhere.test/", **PAGE).course is Course.REFUSE
    at.day.acknowledgements.add(("pc1234", STATEMENT.version))
    assert ask(at, head, "http://elsewhere.test/", **PAGE).course is Course.PASS


def test_programs_get_a_reason_that_they_can_read(made: Callable[..., Doors], head: Head) -> None:
    said = json.loads(page(ask(made(ASKED), head, "http://elsewhere.test/api", **SCRIPT)))
    assert (said["error"], said["rule"]) == ("not-acknowledged", "not-acknowledged")


def test_without_a_statement_nobody_gets_past_it(made: Callable[..., Doors], head: Head) -> None:
    at = made(ASKED)
    at.gate.personal.statement = None
    at.day.acknowledgements.add(("pc1234", ""))
    verdict = ask(at, head, "http://elsewhere.test/", **PAGE)
    assert (verdict.course, verdict.answer.status) == (Course.REFUSE, 503)
    assert "<button" not in page(verdict)


# --- minutes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "address", "how", "counted"),
    [
        ("http://shop.test/", PERSON, PAGE, [("pc1234", False)]),
        ("http://social.test/", PERSON, PAGE, [("pc1234", True)]),
        ("http://shop.test/x.png", PERSON, PICTURE, []),
        ("http://shop.test/poll", PERSON, SCRIPT, []),
        ("http://allowed.test/", PERSON, PAGE, []),
        ("http://shop.test/", EXEMPT, PAGE, []),
    ],
)
def test_what_counts_as_a_minute_of_personal_use(
    at: Doors,
    head: Head,
    url: str,
    address: str,
    how: dict[str, str],
    counted: list[tuple[str, bool]],
) -> None:
    at.day.start("pc1234", at.clock.now, 15)
    assert ask(at, head, url, address, **how).course is Course.PASS
    assert [(name, social) for name, _, social in at.day.counted] == counted
    assert at.records()[0]["counted"] is bool(counted)


def test_what_is_refused_counts_nothing(at: Doors, head: Head) -> None:
    ask(at, head, "http://shop.test/", **PAGE)
    assert not at.day.counted
    assert at.records()[0]["counted"] is None


# --- which refusals are told ------------------------------------------------------------------

RELOAD = PAGE | {"fetch_user": "", "fetch_site": "same-origin"}
AHEAD = PAGE | {"purpose": "prefetch"}


@pytest.mark.parametrize(
    ("url", "address", "how", "told"),
    [
        ("http://blocked.test/", PERSON, PAGE, [("pc1234", "webmail")]),
        ("http://shop.test/", PERSON, PAGE, [("pc1234", "personal-use")]),
        ("http://malware.test/", PERSON, PAGE, [("pc1234", "threats")]),
        ("http://malware.test/", EXEMPT, PAGE, [("dc5678", "threats")]),
        ("http://shop.test/", WITHDRAWN, PAGE, [("ps9999", "withdrawn")]),
        ("http://shop.test/", NOBODY, PAGE, []),
        ("http://blocked.test/x.png", PERSON, PICTURE, []),
        ("http://blocked.test/poll", PERSON, SCRIPT, []),
        ("http://blocked.test/", PERSON, FRAME, []),
        ("http://blocked.test/", PERSON, RELOAD, []),
        ("http://blocked.test/", PERSON, AHEAD, []),
        ("http://blocked.test/", PERSON, PROGRAM, []),
        ("http://allowed.test/", PERSON, PAGE, []),
        ("http://assistant.test/", PERSON, PAGE, []),
        ("http://malware.test:81/", PERSON, PAGE, []),
    ],
)
def test_which_refusals_are_told_in_figures(
    at: Doors,
    head: Head,
    url: str,
    address: str,
    how: dict[str, str],
    told: list[tuple[str, str]],
) -> None:
    """What a rule of the policy refuses of what the person opened; not what pages load."""
    ask(at, head, url, address, **how)
    assert [(name, rule) for name, _, rule in at.day.refusals] == told


def test_a_tunnel_that_is_refused_unseen_says_nothing_of_its_person(at: Doors) -> None:
    verdict = at.gate.connect(at.visitor(WITHDRAWN), "bank.test:443", "text/html")
    verdict.transaction.finish()
    assert (verdict.course, verdict.transaction.rule) == (Course.REFUSE, "withdrawn")
    assert at.day.refusals == []


def test_who_has_not_read_the_statement_is_refused_nothing_by_a_rule(
    made: Callable[..., Doors], head: Head
) -> None:
    doors = made(Shifts(acknowledgement=Acknowledgement(required=True)))
    assert ask(doors, head, "http://allowed.test/", **PAGE).course is Course.REFUSE
    assert doors.day.refusals == []
    ask(doors, head, "http://blocked.test/", **PAGE)
    assert [rule for _, _, rule in doors.day.refusals] == ["webmail"]


def test_the_record_says_what_stood_for_the_person(at: Doors, head: Head) -> None:
    at.day.start("pc1234", at.clock.now, 15)
    ask(at, head, "http://shop.test/", **PAGE)
    assert at.records()[0]["states"] == ["no-rota", "on-break"]


# --- reviews ----------------------------------------------------------------------------------


def test_a_review_lets_through_what_was_blocked(at: Doors, head: Head) -> None:
    at.day.reviewed["pc1234", "shop.test"] = "RV-2026-0001"
    verdict = ask(at, head, "http://shop.test/", **PAGE)
    assert (verdict.course, verdict.transaction.rule) == (Course.PASS, "review-allowed")
    assert "RV-2026-0001" in at.records()[0]["reason"]
    assert not at.day.counted, "it is for work"


@pytest.mark.parametrize(
    ("name", "address", "host"),
    [("pc1234", PERSON, "malware.test"), ("ps9999", WITHDRAWN, "shop.test")],
)
def test_a_review_opens_no_threat_and_nothing_for_whom_nothing_counts(
    at: Doors, head: Head, name: str, address: str, host: str
) -> None:
    at.day.reviewed[name, host] = "RV-2026-0001"
    assert ask(at, head, f"http://{host}/", address, **PAGE).course is Course.REFUSE


def test_a_review_gives_a_site_other_categories(at: Doors, head: Head) -> None:
    at.day.recategorised["shop.test"] = frozenset({"government"})
    at.day.recategorised["elsewhere.test"] = frozenset({"webmail"})
    assert ask(at, head, "http://shop.test/", NOBODY, **PAGE).course is Course.REFUSE
    assert ask(at, head, "http://shop.test/", **PAGE).course is Course.PASS
    verdict = ask(at, head, "http://elsewhere.test/", **PAGE)
    assert (verdict.course, verdict.transaction.rule) == (Course.REFUSE, "webmail")


# --- what the block page offers ---------------------------------------------------------------


def test_a_break_is_offered_where_it_helps(at: Doors, head: Head) -> None:
    text = page(ask(at, head, "http://shop.test/", **PAGE))
    for said in (
        "Start my break: 15 minutes",
        "Start my break: 30 minutes",
        "Start my break: 1 hour",
        "You have 60 minutes left today.",
        "I need this site for my work",
    ):
        assert said in text
    assert "Start my break" not in page(ask(at, head, "http://blocked.test/", **PAGE))


@pytest.mark.parametrize(
    ("left", "offered"),
    [(60, 3), (59, 2), (30, 2), (29, 1), (15, 1), (14, 0), (0, 0)],
)
def test_only_what_is_left_is_offered(at: Doors, head: Head, left: int, offered: int) -> None:
    at.day.minutes = left
    text = page(ask(at, head, "http://shop.test/", **PAGE))
    assert text.count("Start my break: ") == text.count("/start-break?") == offered


def test_between_two_breaks_it_is_said_when_the_next_may_start(at: Doors, head: Head) -> None:
    at.day.next_at = moment(at) + timedelta(minutes=20)
    text = page(ask(at, head, "http://shop.test/", **PAGE))
    assert "Start my break" not in text
    assert "The next one can start today at 10:50." in text


def test_a_break_is_not_offered_where_the_minutes_are_used(at: Doors, head: Head) -> None:
    at.day.standing["pc1234"] = frozenset({"no-rota", "allowance-used"})
    text = page(ask(at, head, "http://shop.test/", **PAGE))
    assert "Start my break" not in text
    assert "minutes are used." in text


def test_in_a_break_its_end_is_offered(at: Doors, head: Head) -> None:
    at.clock.set("2026-11-24 10:30")
    at.day.start("pc1234", at.clock.now, 15)
    text = page(ask(at, head, "http://blocked.test/", **PAGE))
    assert "Your break runs until 10:45." in text
    assert "End my break now" in text


@pytest.mark.parametrize(
    ("url", "address"), [("http://malware.test/", PERSON), ("http://shop.test/", WITHDRAWN)]
)
def test_no_review_is_offered_of_what_none_may_open(
    at: Doors, head: Head, url: str, address: str
) -> None:
    assert "token=" not in page(ask(at, head, url, address, **PAGE))


def test_a_page_with_buttons_may_send_them_home_and_stand_in_no_frame(
    at: Doors, head: Head
) -> None:
    headers = dict(ask(at, head, "http://shop.test/", **PAGE).answer.headers)
    policy = headers["Content-Security-Policy"]
    assert "form-action 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    headers = dict(ask(at, head, "http://shop.test/", NOBODY, **PAGE).answer.headers)
    assert "form-action 'none'" in headers["Content-Security-Policy"]


def test_no_page_names_the_person(at: Doors, head: Head) -> None:
    answer = ask(at, head, "http://shop.test/", **PAGE).answer
    assert b"pc1234" not in answer.body


# --- what is open -----------------------------------------------------------------------------


def opened(doors: Doors, head: Head, url: str) -> Visitor:
    visitor = doors.visitor()
    verdict = doors.gate.request(visitor, head(url, upgrade="websocket", **PAGE))
    assert verdict.course is Course.PASS
    verdict.transaction.kind = "websocket"
    visitor.open["1"] = verdict.transaction
    return visitor


def test_what_a_break_opened_ends_with_it(at: Doors, head: Head) -> None:
    at.day.start("pc1234", at.clock.now, 15)
    visitor = opened(at, head, "http://shop.test/live")
    at.clock.now += 15 * 60 - 1
    assert at.gate.reconsider(visitor) is None
    at.clock.now += 1
    assert "personal-use" in (at.gate.reconsider(visitor) or "")


def test_what_a_break_opened_ends_when_it_is_ended_by_hand(at: Doors, head: Head) -> None:
    at.day.start("pc1234", at.clock.now, 15)
    visitor = opened(at, head, "http://shop.test/live")
    at.clock.now += 60
    at.day.end("pc1234", at.clock.now)
    assert "personal-use" in (at.gate.reconsider(visitor) or "")


def test_what_was_confirmed_stays_open_when_something_else_changes(at: Doors, head: Head) -> None:
    until = moment(at) + timedelta(minutes=60)
    at.day.confirmations["pc1234", "assistants", "assistant.test"] = until
    visitor = opened(at, head, "http://assistant.test/live")
    at.day.start("pc1234", at.clock.now, 15)
    assert at.gate.reconsider(visitor) is None
