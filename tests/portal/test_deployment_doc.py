"""What docs/deployment.md and the unit files say is so."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from support.haproxy import PATH

from proxy_addons.accesslog.keeper.state import State, StepState, write
from proxy_addons.gate import metricfiles, metrics
from proxy_addons.portal import health

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs" / "deployment.md").read_text("utf-8")


def test_every_metric_is_documented_and_every_documented_one_exists(tmp_path: Path):
    directory = metricfiles.prepare(tmp_path)
    try:
        worker = metrics.start(1, directory)
        worker.count("block", "webmail")
        worker.count_would_block("webmail")
        worker.count_refusal("policy")
        worker.count_unusable("tls")
        worker.count_sign_in("kerberos", "proven")
        worker.heartbeat(now=2.0, index_built=1.0, log_healthy=True, log_lag=0.0)
        signed = {"access": {"at": 1.0}}
        steps = {
            "seal-access": StepState(good=1.0),
            "witnesses": StepState(known=signed),
            "timestamps": StepState(known=signed),
        }
        write(tmp_path, State(1.0, 1, steps))
        body, _ = health.exposition(directory, 1, 2.0, "", tmp_path)
    finally:
        metrics.stop()
    exposed = set(re.findall(r"(?m)^# TYPE (\S+) ", body.decode()))
    documented = set(re.findall(r"(?m)^\| `(watchhouse_\w+)", DOC))
    assert documented == exposed


def test_examples_are_well_formed():
    for block in re.findall(r"```json\n(.*?)```", DOC, re.DOTALL):
        json.loads(block)
    for block in re.findall(r"```yaml\n(.*?)```", DOC, re.DOTALL):
        yaml.safe_load(block)


@pytest.mark.skipif(not shutil.which("haproxy", path=PATH), reason="haproxy is not installed")
def test_haproxy_takes_the_examples(tmp_path: Path):
    (example,) = re.findall(r"```haproxy\n(.*?)```", DOC, re.DOTALL)
    file = tmp_path / "haproxy.cfg"
    file.write_text(example)
    command = ["haproxy", "-c", "-f", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": PATH}, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


def test_alarms_name_metrics_that_exist():
    rules = re.search(r"```yaml\n(groups:.*?)```", DOC, re.DOTALL)
    assert rules
    named = set(re.findall(r"watchhouse_\w+", "".join(re.findall(r"expr: .*", rules[1]))))
    assert named
    assert named <= set(re.findall(r"(?m)^\| `(watchhouse_\w+)", DOC))


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", DOC):
        assert (ROOT / "docs" / target).is_file(), target


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)
def test_the_unit_is_valid_and_confined(tmp_path: Path):
    unit = tmp_path / "watchhouse.service"
    text = (ROOT / "docs" / "systemd" / "watchhouse.service").read_text("utf-8")
    # The program need not be installed where the test runs.
    unit.write_text(text.replace("/opt/watchhouse/.venv/bin/watchhouse", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "watchhouse.service:" not in done.stderr
    exposure = exposure_of(unit)
    assert exposure <= 1.2, "what was given up is not to come back unnoticed"
    assert f"exposure level {exposure}" in DOC
    low_ports = (ROOT / "docs" / "systemd" / "low-ports.conf").read_text("utf-8")
    unit.write_text(f"{text}\n{low_ports}")
    assert exposure_of(unit) <= 1.6


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)
def test_the_units_of_the_lists_are_valid_and_confined(tmp_path: Path):
    folder = ROOT / "docs" / "systemd"
    service, timer = (tmp_path / f"watchhouse-categories.{kind}" for kind in ("service", "timer"))
    text = (folder / service.name).read_text("utf-8")
    service.write_text(text.replace("/opt/watchhouse/.venv/bin/watchhouse", "/bin/true"))
    timer.write_text((folder / timer.name).read_text("utf-8"))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(service), str(timer)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "watchhouse-categories" not in done.stderr
    assert exposure_of(service) <= 1.1


def exposure_of(unit: Path) -> float:
    """How much a service could do if it were taken over: 0 nothing, 10 everything."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stderr
    return float(found[1])
