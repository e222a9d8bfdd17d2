"""Alerts in the health document and in the metrics."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from proxy_addons.portal import alerthealth, health

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1e9
MAIL = {"way": "mail", "waiting": 2, "failing": 1, "oldest_seconds": 900.0, "given_up": 0}


def told(folder: Path, **more: Any) -> alerthealth.AlertHealth:
    file = folder / alerthealth.STATE_FILE
    document = {"at": NOW, "pid": 1, "status": "ok", "lag_seconds": 1.5, "deliveries": [], **more}
    file.write_text(json.dumps(document))
    return alerthealth.read(file, NOW)


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        ({}, "ok", None),
        ({"lag_seconds": 400}, "behind", "the alerts are 400 s behind"),
        ({"status": "stopped", "lag_seconds": 400}, "stopped", "stand still"),
        ({"at": NOW - 20}, "silent", "does not tell"),
        ({"at": NOW + 20}, "silent", "does not tell"),
        ({"deliveries": [MAIL]}, "undelivered", "by e-mail: 2 wait, the oldest for 900 s"),
        ({"deliveries": [MAIL | {"oldest_seconds": 20}]}, "ok", None),
        ({"deliveries": [MAIL | {"waiting": 0}]}, "ok", None),
        (
            {"deliveries": [MAIL | {"way": "webhook", "waiting": 0, "given_up": 3}]},
            "undelivered",
            "given up by webhook: 3 within a day",
        ),
    ],
)
def test_what_somebody_should_look_at(
    more: dict[str, Any], status: str, said: str | None, tmp_path: Path
) -> None:
    alerts = told(tmp_path, **more)
    found = health.read(tmp_path / "none", 0, NOW, alerts=alerts)
    about = [each for each in found.problems if "alerts" in each]
    assert alerts.status == status
    assert len(about) == (said is not None)
    assert said is None or said in about[0]
    assert found.as_json()["alerts"]["status"] == status


def test_what_is_wrong_with_alerts_takes_nothing_down(tmp_path: Path) -> None:
    one = health.read(tmp_path / "none", 0, NOW)
    other = health.read(tmp_path / "none", 0, NOW, alerts=told(tmp_path, status="stopped"))
    assert one.http_status == other.http_status


@pytest.mark.parametrize(
    "text",
    [None, "", "[]", "{}", '{"at": 1e9}', '{"at": 1e9, "lag_seconds": 1, "deliveries": [1]}'],
)
def test_a_file_that_says_nothing(text: str | None, tmp_path: Path) -> None:
    file = tmp_path / alerthealth.STATE_FILE
    if text is not None:
        file.write_text(text)
    assert alerthealth.read(file, NOW) == alerthealth.AlertHealth("silent")


def test_metrics(tmp_path: Path) -> None:
    alerts = told(tmp_path, deliveries=[MAIL])
    text = health.exposition(tmp_path / "none", 0, NOW, "", alerts=alerts)[0].decode()
    assert "watchhouse_alerts_lag_seconds 1.5" in text
    assert "watchhouse_alerts_stopped 0.0" in text
    assert 'watchhouse_alerts_undelivered{way="mail"} 2.0' in text
    assert 'watchhouse_alerts_undelivered_oldest_seconds{way="mail"} 900.0' in text
    assert 'watchhouse_alerts_delivery_failing{way="mail"} 1.0' in text
    assert 'watchhouse_alerts_given_up{way="mail"} 0.0' in text
    assert "watchhouse_alerts" not in health.exposition(tmp_path / "none", 0, NOW, "")[0].decode()
