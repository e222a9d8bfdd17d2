"""The section `log`: witnesses, time-stamps, times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from proxy_addons.settings.load import SettingsError
from proxy_addons.settings.log import Log, Witness

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.settings.load import Examined

KEY = "witness.example/w1+e75f6532+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"


def test_without_it_the_log_is_sealed_each_hour(look: Callable[..., Examined]) -> None:
    assert look(main="listen: {}\n").settings.log == look().settings.log == Log()


def test_witnesses_are_given_anywhere(look: Callable[..., Examined]) -> None:
    wanted = (Witness("https://w.example/a", KEY),)
    one = f"https://w.example/a/ {KEY}"
    assert look(f"log: {{witnesses: '{one}'}}\n").settings.log.witnesses == wanted
    assert look(log__witnesses=one).settings.log.witnesses == wanted


WRONG = {
    "no key": "witnesses: [https://w.example]",
    "no address": f"witnesses: [{KEY}]",
    "an address that is none": f"witnesses: ['ftp://w.example {KEY}']",
    "one with a password": f"witnesses: ['https://a:b@w.example {KEY}']",
    "a port that is none": f"witnesses: ['https://w.example:x {KEY}']",
    "a key of another name": f"witnesses: ['https://w.example x{KEY}']",
    "a key that is cut": f"witnesses: ['https://w.example {KEY[:-4]}']",
    "a key that is no base64": f"witnesses: ['https://w.example {KEY[:-5]}=4444']",
    "the key of a log": "witnesses: ['https://w.example"
    " force.example/access-log+00000000+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4']",
    "one twice": f"witnesses: ['https://a.example {KEY}', 'https://b.example {KEY}']",
    "a name with a space": "origin: two words",
    "a name with a plus": "origin: a+b",
    "never": "seal_every: 0",
    "after the next": "{seal_every: 60, seal_after: 60}",
    "days of none": "keep_plain: 0",
    "stamps without roots": "timestamps: {url: 'http://tsa.example'}",
    "roots that are not there": "timestamps: {certificate: nowhere.pem}",
    "roots that are none": "timestamps: {certificate: watchhouse.yaml}",
    "a service that is none": "timestamps: {url: tsa.example, certificate: watchhouse.yaml}",
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named(look: Callable[..., Examined], what: str) -> None:
    section = WRONG[what]
    text = f"log: {section}\n" if section.startswith("{") else f"log:\n  {section}\n"
    with pytest.raises(SettingsError) as raised:
        look(text)
    assert "log." in str(raised.value)
