"""The portal's templates: each can be used, though it is compiled only when it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy_addons import portal
from proxy_addons.portal.answers import _TEMPLATES

NAMES = sorted(each.name for each in (Path(portal.__file__).parent / "templates").glob("*.html"))


@pytest.mark.parametrize("name", NAMES)
def test_every_template_compiles_and_stays_compiled(name: str) -> None:
    assert _TEMPLATES.get_template(name) is _TEMPLATES.get_template(name)
