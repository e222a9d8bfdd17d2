"""`audit.retention` of watchhouse.yaml."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from proxy_addons.settings.load import SettingsError
from proxy_addons.settings.retention import Retention
from proxy_addons.settings.retention_keys import RETENTION

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.settings.load import Examined


def test_every_attribute_has_its_key_and_default(look: Callable[..., Examined]) -> None:
    assert {setting.name: setting.default for setting in RETENTION} == {
        f"audit.retention.{each.name}": each.default for each in fields(Retention)
    }
    assert look("listen: {}\n").settings.retention == Retention() == look().settings.retention


def test_what_is_given_holds(look: Callable[..., Examined]) -> None:
    given = look("audit: {retention: {access_log: 24, exports: 1}}\n").settings.retention
    assert given == Retention(access_log=24, exports=1)


@pytest.mark.parametrize("value", ["0", "-1", "1201", "1.5", "never"])
def test_what_is_no_period(look: Callable[..., Examined], value: str) -> None:
    with pytest.raises(SettingsError, match=r"audit\.retention\.trail.*from 1 to 1200"):
        look(f"audit: {{retention: {{trail: {value}}}}}\n")
