"""The server does what its document says: schemathesis, over HTTP, with a real desk."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import count, cycle
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from support.api import AUDREY, served_api

from proxy_addons.portal.api.routes import BASE, ROUTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from schemathesis import Case

LONGEST = 7000
# 422: `until` before `since`, which no schema can say. All other checks are as they come.
CHECKS = {"positive_data_acceptance": {"expected-statuses": ["2xx", "403", "404", "422"]}}
PLAIN = settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("examples", [4, pytest.param(100, marks=pytest.mark.heavy)])
async def test_every_operation_as_its_document_says(tmp_path: Path, examples: int) -> None:
    async with served_api(tmp_path) as api:
        mine = [(await api.token())[0] for _ in range(20)]
        auditors = [(await api.token(AUDREY))[0] for _ in range(10)]
        document = (await api.get("/openapi.json")).json
        found = await asyncio.to_thread(
            Asking(api.house.base, api.reference, mine, auditors, examples).run, document
        )
    assert found == {(route.operation, mode) for route in ROUTES for mode in ("+", "-")} - {
        (route.operation, "-") for route in ROUTES if route.operation in WITHOUT_PARAMETERS
    }


WITHOUT_PARAMETERS = {"document", "authorisations"}


@dataclass
class Asking:
    """Asks what schemathesis makes of the document.

    Attributes:
        base: where.
        reference: of what there is.
        mine: tokens for records.
        auditors: tokens for the trail.
        examples: of each operation and mode.
    """

    base: str
    reference: str
    mine: list[str]
    auditors: list[str]
    examples: int

    def run(self, document: dict[str, Any]) -> set[tuple[str, str]]:
        config = SchemathesisConfig.from_dict({"checks": CHECKS})
        schema = schemathesis.openapi.from_dict(document, config=config)
        names = {BASE + route.path: route.operation for route in ROUTES}
        tried: set[tuple[str, str]] = set()
        for result in schema.get_all_operations():
            operation = result.ok()
            name = names[operation.path]
            tokens = cycle(self.auditors if name == "trail" else self.mine)
            for mode, sign in ((GenerationMode.POSITIVE, "+"), (GenerationMode.NEGATIVE, "-")):
                if sign == "+" or name not in WITHOUT_PARAMETERS:  # where nothing can be wrong
                    strategy = operation.as_strategy(generation_mode=mode)
                    self.ask(strategy, tokens, self.reference if sign == "+" else "")
                    tried.add((name, sign))
        return tried

    def ask(self, strategy: Any, tokens: Iterator[str], reference: str) -> None:
        """Ask what a strategy gives; every other time about what there is."""
        numbers = count()

        def one(case: Case) -> None:
            if reference and "authorisation" in case.query and next(numbers) % 2:
                case.query["authorisation"] = reference
            # A longer line is refused by aiohttp itself, in plain text (docs/api.md).
            assume(len(urlencode(case.query, doseq=True)) < LONGEST)
            headers = {"Authorization": f"Bearer {next(tokens)}"}
            answer = case.call_and_validate(base_url=self.base, headers=headers)
            assert answer.status_code != 429

        plain = settings(PLAIN, max_examples=self.examples)
        seed(20261123)(plain(given(strategy)(one)))()
