"""docs/policy.md has every key, condition and action that `policy.yaml` can have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from proxy_addons.policy.model import Action
from proxy_addons.settings.kinds import Fields

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.settings.load import Examined

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/policy.md").read_text("utf-8")
PACK = """\
version: 1
description: Ours.
parameters:
  site: {description: Ours., required: true}
rules:
  - id: ours-a
    clause: T 1
    reason: So.
    action: allow
    when: {hosts: "{site}", not: {any: [{ports: 81}]}}
"""


@pytest.mark.parametrize("action", Action)
def test_every_action_is_documented_with_an_example(action: Action):
    assert f"`{action}`" in DOCUMENT
    assert re.search(rf"(?m)^ +action: {action}$", DOCUMENT)


def test_every_key_of_the_policy_is_documented(
    look: Callable[..., Examined], config: Path, monkeypatch: pytest.MonkeyPatch
):
    """All that is asked for while a policy with a pack is read, whether it is there or not."""
    asked: set[str] = set()
    node = Fields.node

    def noted(self: Fields, name: str, *args: Any, **given: Any) -> Any:
        if str(self._node.place).startswith((str(config / "policy.yaml"), str(config / "packs"))):
            asked.add(name)
        return node(self, name, *args, **given)

    monkeypatch.setattr(Fields, "node", noted)
    (config / "packs").mkdir(exist_ok=True)
    (config / "packs/ours.yaml").write_text(PACK)
    policy = (config / "policy.yaml").read_text()
    policy = policy.replace("rules:\n", "rules:\n  - {pack: ours, with: {site: ours.example}}\n", 1)
    look(policy=policy)
    assert {"rules", "never_overridden", "url_matches", "subdivision", "pack", "required"} <= asked
    missing = {name for name in asked if not re.search(rf"`{name}`|\b{name}: ?", DOCUMENT)}
    assert missing == set()
