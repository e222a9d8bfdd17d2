"""What a record says of how a request came about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.conftest import Doors  # type: ignore[import-not-found]

    from proxy_addons.gate.facts import RequestFacts

    type Head = Callable[..., RequestFacts]

LINK = {"fetch_mode": "navigate", "fetch_dest": "document", "fetch_user": "?1"}
PICTURE = {"fetch_mode": "no-cors", "fetch_dest": "image"}


@pytest.mark.parametrize("url", ["http://gov.test/", "http://webmail.test/"])
@pytest.mark.parametrize(("how", "opened"), [(LINK, True), (PICTURE, False)])
def test_who_opened_an_address(
    doors: Doors, head: Head, url: str, how: dict[str, str], opened: bool
) -> None:
    verdict = doors.gate.request(doors.visitor(), head(url, **how))
    verdict.transaction.finish()
    assert verdict.transaction.opened is opened


def test_nobody_knows_of_a_tunnel(doors: Doors) -> None:
    verdict = doors.gate.connect(doors.visitor(), "webmail.test:22")
    assert verdict.transaction is not None
    verdict.transaction.finish()
    assert verdict.transaction.opened is None
