"""What is said of each kind of refusal, and of times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy_addons.gate.refusal import Kind
from proxy_addons.gate.wording import WORDING, when_words

LONDON = ZoneInfo("Europe/London")

# The errors of RFC 9209, section 2.3.
RFC_9209 = {
    "dns_timeout",
    "dns_error",
    "destination_not_found",
    "destination_unavailable",
    "destination_ip_prohibited",
    "destination_ip_unroutable",
    "connection_refused",
    "connection_terminated",
    "connection_timeout",
    "connection_read_timeout",
    "connection_write_timeout",
    "connection_limit_reached",
    "tls_protocol_error",
    "tls_certificate_error",
    "tls_alert_received",
    "http_request_error",
    "http_request_denied",
    "http_response_incomplete",
    "http_response_header_section_size",
    "http_response_header_size",
    "http_response_body_size",
    "http_response_trailer_section_size",
    "http_response_trailer_size",
    "http_response_transfer_coding",
    "http_response_content_coding",
    "http_response_timeout",
    "http_upgrade_failed",
    "http_protocol_error",
    "proxy_internal_response",
    "proxy_internal_error",
    "proxy_configuration_error",
    "proxy_loop_detected",
}


def test_every_kind_has_its_words() -> None:
    assert set(WORDING) == set(Kind)


@pytest.mark.parametrize("kind", list(Kind))
def test_each_kind_is_said_properly(kind: Kind) -> None:
    wording = WORDING[kind]
    assert wording.error in RFC_9209 or wording.status == 200
    assert wording.status in {200, 400, 403, 404, 407, 502, 503, 504, 508}
    assert (wording.retry_after is not None) == (wording.status == 503)
    assert wording.summary.endswith(".")
    assert all(step.endswith(".") for step in wording.steps)
    assert not wording.title.endswith(".")


@pytest.mark.parametrize(
    ("then", "now", "words"),
    [
        ("2026-11-24 12:00", "2026-11-24 10:30", "today at 12:00"),
        ("2026-11-25 07:00", "2026-11-24 23:59", "tomorrow at 07:00"),
        ("2026-11-25 00:00", "2026-11-24 23:59", "tomorrow at 00:00 (midnight)"),
        ("2026-11-23 12:00", "2026-11-20 18:00", "Monday 23 November at 12:00"),
        ("2027-01-01 09:05", "2026-12-30 18:00", "Friday 1 January 2027 at 09:05"),
        ("2027-01-01 09:05", "2026-12-31 18:00", "tomorrow at 09:05"),
        ("2026-11-24 10:30", "2026-11-24 10:30", "now"),
        ("2026-11-24 10:29", "2026-11-24 10:30", "now"),
        # the clocks go forward on 29 March 2026 and back on 25 October 2026
        ("2026-03-29 07:00", "2026-03-28 22:00", "tomorrow at 07:00 BST"),
        ("2026-10-25 07:00", "2026-10-24 22:00", "tomorrow at 07:00 GMT"),
        ("2026-10-25 01:30", "2026-10-25 00:30", "today at 01:30 BST"),
        ("2026-07-01 12:00", "2026-07-01 10:00", "today at 12:00"),
    ],
)
def test_a_time_is_said_in_words(then: str, now: str, words: str) -> None:
    def at(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=LONDON)

    assert when_words(at(then), at(now)) == words


def test_the_second_occurrence_of_an_hour_is_told_from_the_first() -> None:
    then = datetime(2026, 10, 25, 1, 30, tzinfo=LONDON, fold=1)
    first = then.replace(fold=0)
    assert when_words(then, first) == "today at 01:30 GMT"


def test_now_may_be_in_another_zone() -> None:
    then = datetime(2026, 7, 2, 0, 30, tzinfo=LONDON)
    now = datetime(2026, 7, 1, 23, 10, tzinfo=UTC)  # 00:10 on the 2nd in London
    assert when_words(then, now) == "today at 00:30"


MOMENTS = st.integers(0, 63_000_000).map(
    lambda seconds: (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).astimezone(
        LONDON
    )
)


@settings(deadline=None)
@given(
    MOMENTS,
    st.integers(-200_000, 900_000),
)
def test_words_begin_as_the_calendar_says(now: datetime, seconds: int) -> None:
    then = (now.astimezone(UTC) + timedelta(seconds=seconds)).astimezone(LONDON)
    words = when_words(then, now)
    if seconds <= 0:
        assert words == "now"
        return
    days = (then.date() - now.date()).days
    assert words.startswith({0: "today at", 1: "tomorrow at"}.get(days, f"{then:%A} {then.day} "))
    assert f"{then:%H:%M}" in words
