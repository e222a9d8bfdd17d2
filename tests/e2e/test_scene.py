"""The day that the end-to-end tests make a gateway believe."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec
from support.scene import LONDON, working_day

from proxy_addons.engine.authority import load_or_make
from proxy_addons.settings.bank_holidays import dates

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509

DAYS = [date(2026, 1, 1) + timedelta(days=number) for number in range(10 * 366)]


def test_it_is_a_working_day_of_the_last_week_and_nearly_always_a_tuesday() -> None:
    bank_holidays = dates("GB", "ENG", 2026)
    others = 0
    for today in DAYS:
        day = working_day(today)
        assert day.isoweekday() <= 5
        assert day not in bank_holidays
        assert timedelta() <= today - day <= timedelta(days=6)
        others += day.isoweekday() != 2
    assert others < 0.02 * len(DAYS)


def test_what_is_signed_on_that_day_is_valid_on_the_real_clock(tmp_path: Path) -> None:
    """At any time of the real day, on every weekday, also when the clocks change in between."""
    key = ec.generate_private_key(ec.SECP256R1())

    @cache
    def signed(believed: datetime) -> list[x509.Certificate]:
        authority = load_or_make(tmp_path / f"{believed:%F-%H}", "Sample Police", believed)
        return [authority.leaf("www.gov.uk", key.public_key(), believed), authority.certificate]

    for today in DAYS[:400]:
        for clock in (time(10, 30), time(12, 30)):
            for certificate in signed(datetime.combine(working_day(today), clock, LONDON)):
                first, last = (datetime.combine(today, t, LONDON) for t in (time.min, time.max))
                assert certificate.not_valid_before_utc <= first
                assert certificate.not_valid_after_utc >= last + timedelta(hours=1)
