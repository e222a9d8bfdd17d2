"""New settings: taken by all workers or by none, said once, watched without being hasty."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.waiting import until

from proxy_addons.engine.parts import Part
from proxy_addons.engine.reload import reloading as module
from proxy_addons.engine.reload.line import Line
from proxy_addons.engine.reload.reloading import Reloading
from proxy_addons.engine.reload.watching import Files
from proxy_addons.engine.reload.worker_side import obey
from proxy_addons.settings import inforce
from proxy_addons.settings.load import load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from proxy_addons.settings.model import Settings

ROOT = Path(__file__).parents[2]


class Worker:
    """As far as settings go."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.in_force = "first"
        self.prepared = 0
        self.closed = 0
        self.cannot: Exception | None = None
        self.fails: Exception | None = None
        self.reads: Settings | None = None

    def prepare(self, files: Path | None = None) -> Any:
        self.prepared += 1
        if self.cannot is not None:
            raise self.cannot
        settings = self.reads or load(self.config, environ={}, files=files)
        return SimpleNamespace(settings=settings, close=self._closed)

    def _closed(self) -> None:
        self.closed += 1

    def take(self, prepared: Any) -> None:
        if self.fails is not None:
            raise self.fails
        self.in_force = prepared.settings.policy_version


class Process:
    """A process that can be ended."""

    returncode = None

    def __init__(self) -> None:
        self.signals: list[int] = []

    def send_signal(self, number: int) -> None:
        self.signals.append(number)


class Gateway:
    """A supervisor's parts, with workers in this process."""

    def __init__(self, config: Path) -> None:
        self.policy = config / "policy.yaml"
        self.settings = self.load(config)
        self.workers = [Worker(config), Worker(config)]
        self.parts: list[Part] = []
        self.sound: list[Settings] = []
        self.taken = 0
        self._took = asyncio.Event()
        self.settings.paths.run_dir.mkdir(parents=True)
        self.reloading = Reloading(
            self.settings, {}, lambda: self.parts, self.sound.append, self._taken
        )

    @staticmethod
    def load(config: Path) -> Settings:
        return load(config, environ={})

    def _taken(self) -> None:
        self.taken += 1
        self._took.set()

    async def has_taken(self, number: int) -> None:
        while self.taken < number:
            self._took.clear()
            await self._took.wait()

    @property
    def in_force(self) -> set[str]:
        return {worker.in_force for worker in self.workers}

    @property
    def ended(self) -> list[str]:
        return [part.name for part in self.parts if part.process and part.process.signals]  # type: ignore[attr-defined]

    def rewrite(self, before: str, after: str) -> None:
        text = self.policy.read_text()
        assert before in text
        self.policy.write_text(text.replace(before, after))

    @property
    def note(self) -> inforce.Rejected | None:
        return inforce.rejected(self.settings.paths.run_dir)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    shutil.copytree(ROOT / "config", folder)
    main = folder / "watchhouse.yaml"
    text = main.read_text().replace("# categories_dir", "categories_dir")
    main.write_text(text.replace("../categories", str(ROOT / "categories")))
    return folder


@asynccontextmanager
async def running(config: Path) -> AsyncIterator[Gateway]:
    gateway = await asyncio.to_thread(Gateway, config)
    obeying = []
    for number, worker in enumerate(gateway.workers, 1):
        line, theirs = await Line.open()
        obeying.append(asyncio.create_task(obey(theirs.detach(), worker)))
        part = Part(f"worker-{number}", [], [], number=number, serving=True, line=line)
        part.process = Process()  # type: ignore[assignment]
        part.version = gateway.settings.policy_version
        gateway.parts.append(part)
    await asyncio.to_thread(gateway.reloading.begin)
    yield gateway
    for part in gateway.parts:
        assert part.line is not None
        part.line.close()
    await asyncio.gather(*obeying)
    await asyncio.sleep(0.01)  # transports end in the loop's next turns


async def test_all_take_what_was_examined(config: Path):
    async with running(config) as gateway:
        await asyncio.to_thread(gateway.rewrite, "id: webmail\n", "id: mail\n")
        await gateway.reloading.reload(asked=False)
        (version,) = gateway.in_force
        assert version == gateway.reloading.version == gateway.load(config).policy_version
        assert {part.version for part in gateway.parts} == {version}
        assert (len(gateway.sound), gateway.taken, gateway.note, gateway.ended) == (1, 1, None, [])
        # What begins from now on reads what is in force, whatever lies in the folder.
        await asyncio.to_thread(gateway.policy.write_text, "rules: [")
        environ = gateway.reloading.environ()
        assert load(config, environ=environ).policy_version == version


async def test_what_one_cannot_take_none_takes(config: Path, caplog: pytest.LogCaptureFixture):
    async with running(config) as gateway:
        gateway.workers[1].cannot = ValueError("the keytab cannot be read")
        await asyncio.to_thread(gateway.rewrite, "id: webmail\n", "id: mail\n")
        await gateway.reloading.reload(asked=False)
        assert gateway.in_force == {"first"}
        assert gateway.workers[0].closed == 1, "what was prepared is let go"
        assert (gateway.taken, gateway.ended) == (0, [])
        assert gateway.note is not None
        assert "worker-2: the keytab cannot be read" in caplog.text
        gateway.workers[1].cannot = None
        await gateway.reloading.reload(asked=True)
        assert "first" not in gateway.in_force
        assert gateway.note is None


async def test_what_another_version_was_read_from_nobody_takes(
    config: Path, caplog: pytest.LogCaptureFixture
):
    async with running(config) as gateway:
        before = gateway.settings
        gateway.workers[0].reads = before
        await asyncio.to_thread(gateway.rewrite, "id: webmail\n", "id: mail\n")
        await gateway.reloading.reload(asked=False)
        assert gateway.in_force == {"first"}
        assert gateway.reloading.version == before.policy_version
        assert "worker-1: it read other files than were examined" in caplog.text


async def test_who_does_not_take_it_is_ended(config: Path):
    async with running(config) as gateway:
        gateway.workers[0].fails = RuntimeError("half way")
        await asyncio.to_thread(gateway.rewrite, "id: webmail\n", "id: mail\n")
        await gateway.reloading.reload(asked=False)
        assert gateway.ended == ["worker-1"]
        assert gateway.workers[1].in_force == gateway.reloading.version


async def test_who_does_not_answer_holds_nobody_up(config: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_PREPARED_WITHIN", 2.0)
    async with running(config) as gateway:
        silent, theirs = await Line.open()
        gone, nobody = await Line.open()
        nobody.close()
        for number, line in ((3, silent), (4, gone)):
            gateway.parts.append(Part(f"worker-{number}", [], [], number=number, line=line))
            gateway.parts[-1].serving = True
            gateway.parts[-1].process = Process()  # type: ignore[assignment]
        await asyncio.to_thread(gateway.rewrite, "id: webmail\n", "id: mail\n")
        await gateway.reloading.reload(asked=False)
        assert gateway.in_force == {gateway.reloading.version}
        assert gateway.ended == ["worker-3", "worker-4"]
        theirs.close()


async def test_a_worker_that_began_with_what_was_before_is_brought_up(config: Path):
    async with running(config) as gateway:
        late = gateway.parts[1]
        late.serving = False
        await asyncio.to_thread(gateway.rewrite, "id: webmail\n", "id: mail\n")
        await gateway.reloading.reload(asked=False)
        assert gateway.workers[1].in_force == "first"
        late.serving = True
        await gateway.reloading.bring_up(late)
        assert gateway.in_force == {gateway.reloading.version}
        prepared = gateway.workers[1].prepared
        await gateway.reloading.bring_up(late)
        assert gateway.workers[1].prepared == prepared, "once is enough"


async def test_a_bad_file_is_said_once(config: Path, caplog: pytest.LogCaptureFixture):
    async with running(config) as gateway:
        good = gateway.policy.read_text()
        await asyncio.to_thread(
            gateway.rewrite, "categories: webmail", "categories: secret-webmial"
        )
        line = good.split("categories: webmail")[0].count("\n") + 1
        for _ in range(3):
            await gateway.reloading.reload(asked=False)
        assert caplog.text.count("the last good settings stay in force") == 1
        first = gateway.note
        assert first is not None
        assert first.places == (f"{gateway.policy}:{line}",)
        text = (gateway.settings.paths.run_dir / "settings-rejected.json").read_text()
        assert "webmial" not in text
        await gateway.reloading.reload(asked=True)
        assert caplog.text.count("the last good settings stay in force") == 2, "it was asked for"
        await asyncio.to_thread(gateway.policy.write_text, "rules: [")
        await gateway.reloading.reload(asked=False)
        assert caplog.text.count("the last good settings stay in force") == 3, "another fault"
        assert gateway.note is not None
        assert gateway.note.since == first.since
        assert gateway.in_force == {"first"}
        assert not any(worker.prepared for worker in gateway.workers)
        with caplog.at_level(logging.INFO):
            await asyncio.to_thread(gateway.policy.write_text, good)
            await gateway.reloading.reload(asked=False)
        assert gateway.note is None
        assert "in order again" in caplog.text


async def test_a_file_that_is_as_it_was_is_nothing_new(config: Path):
    async with running(config) as gateway:
        await gateway.reloading.reload(asked=False)
        assert (gateway.taken, gateway.in_force) == (0, {"first"})
        await gateway.reloading.reload(asked=True)
        assert gateway.taken == 1


async def test_a_file_that_is_gone_is_a_bad_one(config: Path):
    async with running(config) as gateway:
        await asyncio.to_thread(gateway.policy.unlink)
        await gateway.reloading.reload(asked=False)
        assert gateway.note is not None
        assert gateway.note.places == (str(gateway.policy),)
        assert gateway.in_force == {"first"}


async def test_a_fault_of_ours_ends_no_watch(
    config: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(module, "EVERY", 0.02)
    real, failed = module.examine, asyncio.Event()
    loop = asyncio.get_running_loop()

    def failing(*_: Any, **__: Any) -> Any:
        loop.call_soon_threadsafe(failed.set)
        raise RecursionError("a fault of ours")

    async with running(config) as gateway:
        watching = asyncio.create_task(gateway.reloading.watch())
        monkeypatch.setattr(module, "examine", failing)
        await asyncio.to_thread(gateway.rewrite, "id: webmail\n", "id: mail\n")
        async with asyncio.timeout(20):
            await failed.wait()
        await until(lambda: gateway.note is not None)
        assert gateway.note.places == (str(config),)
        assert gateway.in_force == {"first"}
        assert "the last good settings stay in force" in caplog.text
        monkeypatch.setattr(module, "examine", real)
        await asyncio.to_thread(gateway.rewrite, "id: mail\n", "id: post\n")
        async with asyncio.timeout(20):
            await gateway.has_taken(1)
        await until(lambda: gateway.note is None)
        watching.cancel()


async def test_what_changes_while_it_is_read_is_read_again(
    config: Path, monkeypatch: pytest.MonkeyPatch
):
    """A file that settings name: between the reading of it and the end of the reload."""
    monkeypatch.setattr(module, "EVERY", 0.02)
    statement, fresh = config / "statement.md", config / "fresh.md"
    fresh.write_text("# Other words\n")
    async with running(config) as gateway:
        real = gateway.workers[1].prepare

        def prepare(files: Path | None = None) -> Any:
            made = real(files)
            monkeypatch.setattr(gateway.workers[1], "prepare", real)
            fresh.replace(statement)  # whole, as the other worker may just be reading it
            return made

        monkeypatch.setattr(gateway.workers[1], "prepare", prepare)
        watching = asyncio.create_task(gateway.reloading.watch())
        await asyncio.to_thread(gateway.rewrite, "id: webmail\n", "id: mail\n")
        async with asyncio.timeout(20):
            await gateway.has_taken(2)
        watching.cancel()


async def test_files_are_watched(config: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "EVERY", 0.02)
    async with running(config) as gateway:
        watching = asyncio.create_task(gateway.reloading.watch())
        for number, name in enumerate(("policy.yaml", "statement.md", "packs/ours.yaml"), 1):
            path = config / name
            path.parent.mkdir(exist_ok=True)
            path.write_text((path.read_text() if path.exists() else "") + "\n# more\n")
            async with asyncio.timeout(20):
                await gateway.has_taken(number)
        watching.cancel()
        assert gateway.note is None


# --- quiet ----------------------------------------------------------------------------------------


@given(st.lists(st.integers(min_value=0, max_value=3), max_size=30))
def test_word_is_given_once_for_each_state_that_stays(states: list[int]):
    """Against a plain model: of runs of the same state, those longer than one look, and new."""
    here = [0]
    files = Files(list)
    files._look = lambda: tuple(here)  # type: ignore[assignment,method-assign,return-value]
    files._known = files._last = files._look()
    said, known, last = [], 0, 0
    for state in states:
        here[0] = state
        expected = state == last and state != known
        known, last = (state if expected else known), state
        said.append(files.changed() == expected)
    assert all(said)


def test_a_file_is_another_when_it_is_replaced_linked_or_gone(tmp_path: Path):
    path, other = tmp_path / "policy.yaml", tmp_path / "other.yaml"
    path.write_text("a")
    other.write_text("b")
    files = Files(lambda: [path])
    assert not files.changed()

    def seen() -> bool:
        return [files.changed() for _ in range(3)] == [False, True, False]

    steps: list[Callable[[], object]] = [
        lambda: path.write_text("c"),
        lambda: other.replace(path),
        path.unlink,
        lambda: path.symlink_to(tmp_path / "first"),
        lambda: (tmp_path / "first").write_text("d"),
        lambda: (tmp_path / "second").write_text("d") and path.unlink(),
    ]
    for number, step in enumerate(steps):
        step()
        assert seen() or number == 3, "a link that leads nowhere is no file"


# --- copies ---------------------------------------------------------------------------------------


def test_copies_are_whole_and_old_ones_go(tmp_path: Path):
    config, run = tmp_path / "config", tmp_path / "run"
    (config / "packs").mkdir(parents=True)
    (config / "watchhouse.yaml").write_text("a: 1\n")
    (config / "packs/one.yaml").write_text("rules: []\n")
    run.mkdir()
    made = []
    for number in range(5):
        (config / "policy.yaml").write_text(f"{number}\n")
        made.append(inforce.copied(config, run))
    assert len({each.digest for each in made}) == 5
    assert inforce.copied(config, run) == made[-1], "the same files, the same copy"
    assert (made[0].folder / "policy.yaml").read_text() == "0\n"
    assert (made[0].folder / "packs/one.yaml").read_text() == "rules: []\n"
    assert not (made[0].folder / "carriers.yaml").exists()
    assert made[0].folder.stat().st_mode & 0o777 == 0o750
    inforce.forget(run, made[0])
    left = set((run / "settings").iterdir())
    assert made[0].folder in left
    assert len(left) == 3


@pytest.mark.parametrize("text", ["", "[]", '{"since": "x", "places": []}', "null"])
def test_a_note_that_cannot_be_read_is_one_all_the_same(tmp_path: Path, text: str):
    assert inforce.rejected(tmp_path) is None
    (tmp_path / "settings-rejected.json").write_text(text)
    assert inforce.rejected(tmp_path) == inforce.Rejected(0.0, ())
    inforce.clear(tmp_path)
    assert inforce.rejected(tmp_path) is None


def test_a_note_names_few_places_and_each_once(tmp_path: Path):
    inforce.note(tmp_path, 5.0, [f"policy.yaml:{number // 2}" for number in range(40)])
    found = inforce.rejected(tmp_path)
    assert found == inforce.Rejected(5.0, tuple(f"policy.yaml:{number}" for number in range(5)))
    assert json.loads((tmp_path / "settings-rejected.json").read_text())["since"] == 5.0
