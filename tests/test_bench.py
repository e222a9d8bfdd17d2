"""The arithmetic of scripts/bench: a figure is worth what its sums are worth. Nothing is timed."""

import contextlib
import importlib
import io
import os
import sqlite3
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.content.declared import declared_of
from proxy_addons.content.types import types_of_file
from proxy_addons.policy.findings import KINDS
from proxy_addons.selftest.origin import Origin
from proxy_addons.settings.load import load

SCRIPTS = str(Path(__file__).resolve().parents[1] / "scripts")


@pytest.fixture(scope="module", autouse=True)
def _benchlib_importable() -> Iterator[None]:
    sys.path.insert(0, SCRIPTS)
    yield
    sys.path.remove(SCRIPTS)


def module(name: str) -> Any:
    return importlib.import_module(f"benchlib.{name}")


def process(pid: int, parent: int, session: int) -> Any:
    return module("cpu").Process(pid, parent, session, 0, "x")


def sample(cpu_seconds: float, operations: int = 10) -> Any:
    contacts = module("origin").Contacts(operations, operations, 0)
    return module("scenarios").Sample(operations, cpu_seconds, 1.0, 0.5, contacts, operations)


def test_stat_line_with_brackets_and_spaces_in_the_name() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    line = f"42 (a) b (c)) S 7 42 9 0 -1 4194560 1 2 3 4 11 12 {ticks} {2 * ticks} 20 0 1 0 5"
    found = module("cpu").parse_stat(line)
    assert (found.pid, found.parent, found.session, found.name) == (42, 7, 9, "a) b (c)")
    assert found.children_ns == 3_000_000_000


def test_family_has_descendants_and_daemons_of_the_session_and_nobody_else() -> None:
    everyone = {
        p.pid: p
        for p in (
            process(10, 1, 10),
            process(11, 10, 10),
            process(12, 11, 12),  # a helper in a session of its own
            process(13, 1, 10),  # a daemon that left its parent
            process(14, 13, 14),  # and its child
            process(20, 1, 20),
            process(21, 20, 20),
        )
    }
    assert [p.pid for p in module("cpu").family(10, everyone)] == [10, 11, 12, 13, 14]


def test_cpu_counts_new_processes_from_nothing() -> None:
    cpu = module("cpu")
    before = cpu.Reading({1: 4_000_000_000, 2: 1_000_000_000}, {})
    after = cpu.Reading({1: 5_000_000_000, 3: 250_000_000}, {})
    assert cpu.between(before, after) == pytest.approx(1.25)
    assert cpu.busiest(before, after) == 1


def test_a_child_that_has_ended_is_not_lost() -> None:
    cpu = module("cpu")
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    before = cpu.read(os.getpid())
    subprocess.run([sys.executable, "-c", burn], check=True)
    after = cpu.read(os.getpid())
    # cutime and cstime are each rounded down to 10 ms.
    assert cpu.between(before, after) > 0.2 - 0.02


def test_ratio_is_taken_round_by_round() -> None:
    # Both sides were slowed down in the second round: the ratio is not.
    spread = module("report").ratio([1.0, 4.0, 1.5], [2.0, 8.0, 2.0])
    assert (spread.median, spread.least, spread.most) == (0.5, 0.5, 0.75)


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=9))
def test_a_side_against_itself_is_one(costs: list[float]) -> None:
    spread = module("report").ratio(costs, costs)
    assert spread.least == spread.median == spread.most == 1.0


def test_rounds_of_different_number_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        module("report").ratio([1.0], [1.0, 2.0])


def test_one_wrong_answer_takes_all_of_a_sides_samples_away() -> None:
    results = module("report").Results()
    results.add("plain", "a", sample(0.1))
    results.add("plain", "b", sample(0.2))
    results.reject("plain", "a", "403")
    assert results.costs("plain") == {"b": [pytest.approx(20.0)]}
    written = module("report").as_json(results, {})["scenarios"]["plain"]
    assert written["invalid"] == {"a": "403"}
    assert written["ratios"] == {}


def test_slices_add_up_to_a_round() -> None:
    whole = sample(0.1, 10) + sample(0.3, 30)
    assert (whole.operations, whole.records, whole.contacts.connections) == (40, 40, 40)
    assert whole.cpu_ms == pytest.approx(10.0)


def test_lines_are_counted_once_and_only_when_whole(tmp_path: Path) -> None:
    count = module("logs").LineCount(tmp_path, "*.jsonl")
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_text("1\n2\nhal")
    assert count.total() == 2
    with first.open("a") as file:
        file.write("f\n")
    second.write_text("4\n")
    assert count.total() == count.total() == 4


def test_names_repeat_themselves_and_are_distinct() -> None:
    made = list(module("names").names(2000))
    assert len(set(made)) == 2000
    assert made == list(module("names").names(2000))
    # Fewer are the first of more: names beyond a list's end are not in the list.
    assert made[:500] == list(module("names").names(500))


def test_profile_shares_count_a_recursive_function_once_and_no_waiting() -> None:
    lines = [
        "main (a.py:1);f (b.py:2);f (b.py:9) 3",
        "main (a.py:1) 1",
        "run (x.py:1);_worker (/usr/lib/python3.13/concurrent/futures/thread.py:90) 96",
    ]
    own, within, total = module("profiling").shares(lines)
    assert total == 4
    assert own == {"f (b.py)": 3, "main (a.py)": 1}
    assert within == {"f (b.py)": 3, "main (a.py)": 4}


def dns_query(name: bytes, kind: int) -> bytes:
    labels = b"".join(bytes([len(part)]) + part for part in name.split(b".")) + b"\0"
    return struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!HH", kind, 1)


@pytest.mark.parametrize(
    ("name", "kind", "code", "answers"),
    [
        (b"www.bench.test", 1, 0, 1),
        (b"WWW.Bench.Test", 1, 0, 1),
        (b"www.bench.test", 28, 0, 0),
        (b"www.example.org", 1, 3, 0),
        (b"notbench.test", 1, 3, 0),
    ],
)
def test_name_server_knows_its_zone_only(name: bytes, kind: int, code: int, answers: int) -> None:
    answer = module("nameserver").answer(dns_query(name, kind))
    number, flags, questions, records = struct.unpack_from("!HHHH", answer)
    assert (number, flags & 0xF, questions, records) == (7, code, 1, answers)
    if answers:
        assert answer.endswith(bytes([127, 0, 0, 1]))


def test_name_server_ignores_what_is_not_a_query() -> None:
    with pytest.raises(ValueError, match="header"):
        module("nameserver").answer(b"\0")


# --- goals ----------------------------------------------------------------------------------------


def figure(median: float) -> dict[str, float]:
    return {"median": median, "least": median, "most": median}


def judged(written: dict[str, Any], what: str) -> Any:
    (found,) = (each for each in module("goals").judge(written) if each.goal.what.startswith(what))
    return found


@pytest.mark.parametrize(("ratio", "verdict"), [(0.2, "met"), (0.2001, "missed")])
def test_a_goal_that_is_a_most(ratio: float, verdict: str) -> None:
    ratios = {"watchhouse/mitmdump": figure(ratio)}
    written = {"scenarios": {"keep-alive": {"ratios": ratios}}, "studies": {}}
    found = judged(written, "inspected request, keep-alive, ÷ `mitmdump`")
    assert (found.verdict, found.limit) == (verdict, "at most 0.2")


@pytest.mark.parametrize(("times", "verdict"), [(5.0, "met"), (4.99, "missed")])
def test_a_goal_that_is_a_least(times: float, verdict: str) -> None:
    decisions = {"distinct": {"decision_times": figure(times)}}
    written = {"scenarios": {}, "studies": {"decisions": decisions}}
    assert judged(written, "decisions, distinct").verdict == verdict


def test_a_goal_is_not_met_by_less_than_it_asks() -> None:
    idle = {"client_alone": {"kb_each": 12.0, "connections": 1000}}
    found = judged({"scenarios": {}, "studies": {"idle": idle}}, "idle inspected")
    assert found.verdict == "not judged: 1,000 of 10,000"


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    verdicts = {each.verdict for each in module("goals").judge({"scenarios": {}, "studies": {}})}
    assert verdicts == {"not measured"}


def test_every_goal_names_a_scenario_that_can_be_chosen() -> None:
    known = {*module("scenarios").SCENARIOS, *module("studies").STUDIES}
    assert {goal.scenario for goal in module("goals").GOALS} <= known


# --- what the studies are made of -----------------------------------------------------------------


def test_memory_of_a_process_and_its_peak() -> None:
    memory = module("memory")
    myself = [os.getpid()]
    memory.forget_peak(myself)
    before = memory.resident(myself)
    big = bytearray(64 << 20)  # too much to be taken from what is free already
    big[:: 1 << 12] = b"x" * len(big[:: 1 << 12])  # every page of it is touched
    assert memory.resident(myself) - before > 60 << 20
    del big
    assert memory.peak(myself) - before > 60 << 20


def test_zipf_draws_the_first_most() -> None:
    drawn = module("lists").zipf([f"h{n}" for n in range(100)], 10_000)
    assert len(drawn) == 10_000
    assert drawn.count("h0") > drawn.count("h9") > drawn.count("h90")


def test_hosts_asked_are_distinct_and_half_of_them_listed(tmp_path: Path) -> None:
    (tmp_path / "games").mkdir()
    listed = [f"g{n}.test" for n in range(500)]
    (tmp_path / "games" / "domains").write_text("\n".join(listed))
    hosts = module("lists").hosts_of(tmp_path, 1000)
    assert len(set(hosts)) == len(hosts) == 1000
    assert sum(host.removeprefix("img.") in listed for host in hosts) == 500


def test_made_configurations_are_valid_and_of_the_size_asked(tmp_path: Path) -> None:
    made = module("gateconfig")
    people = [(made.address(n), "standard") for n in range(300)]
    settings = load(made.write(tmp_path / "c", made.rules_of(100), people), environ={})
    assert len(settings.policy.rules) == 100
    assert len(settings.identity.addresses) == 300


def test_squidguard_is_told_the_same_order_and_the_same_times(tmp_path: Path) -> None:
    made = module("squidguard")
    policy = [
        made.Listed("bank", blocked=False, timed=True),
        made.Listed("games", blocked=True, timed=False),
    ]
    text = made._configuration(tmp_path, policy, "10.0.0.0/8")
    assert "people within always {\n    pass bank !games any" in text
    assert "} else {\n    pass !games any" in text
    assert "default {\n    pass none" in text


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("  1234 requests in 2.00s, 1.50MB read", (1234, 1572864)),
        ("  7 requests in 6.01s, 812.00B read", (7, 812)),
    ],
)
def test_what_wrk_says(said: str, found: tuple[int, int]) -> None:
    assert module("workers")._requests(said, "x") == found


@pytest.mark.parametrize("trouble", ["Non-2xx or 3xx responses: 3", "Socket errors: connect 1"])
def test_wrk_in_trouble_is_a_wrong_answer(trouble: str) -> None:
    said = f"  1234 requests in 2.00s, 1.50MB read\n  {trouble}"
    with pytest.raises(module("load").BadAnswerError):
        module("workers")._requests(said, "x")


def test_records_of_bulk_are_whole_tls_records(tmp_path: Path) -> None:
    bulk = module("bulkorigin")
    data = bulk.write_records(tmp_path / "r").read_bytes()
    size = 5 + bulk.RECORD
    assert len(data) == bulk.RECORDS * size
    assert {data[at : at + 5] for at in range(0, len(data), size)} == {b"\x17\x03\x03\x40\x11"}


class FakeWire:
    """The far end of an HTTP/2 connection, as prepared octets."""

    def __init__(self, *answers: bytes) -> None:
        self.sent, self._answers = b"", list(answers)

    def sendall(self, data: bytes) -> None:
        self.sent += data

    def recv(self, _size: int) -> bytes:
        return self._answers.pop(0) if self._answers else b""


def test_http2_answers_in_pieces_and_out_of_order() -> None:
    h2 = module("h2client")
    ok = b"\x88"  # :status 200, RFC 7541 appendix A
    answers = (
        h2.frame(h2.SETTINGS, 0, 0, b"")
        + h2.frame(h2.HEADERS, h2.END_HEADERS, 3, ok)
        + h2.frame(h2.DATA, h2.END_STREAM, 3, b"page")
        + h2.frame(h2.HEADERS, h2.END_HEADERS, 1, ok)
        + h2.frame(h2.DATA, 0, 1, b"pa")
        + h2.frame(h2.DATA, h2.END_STREAM, 1, b"ge")
    )
    wire = FakeWire(*(answers[at : at + 7] for at in range(0, len(answers), 7)))
    h2.Http2(wire, "www.bench.test", "/page", b"page").ask(2)
    assert wire.sent.endswith(h2.frame(h2.SETTINGS, h2.ACK, 0, b""))


@pytest.mark.parametrize(
    ("kind", "payload"), [("HEADERS", b"\x8d"), ("RST_STREAM", b"\0\0\0\1"), ("DATA", b"other")]
)
def test_http2_answers_that_are_wrong(kind: str, payload: bytes) -> None:
    h2 = module("h2client")
    flags = h2.END_STREAM | h2.END_HEADERS
    client = h2.Http2(
        FakeWire(h2.frame(getattr(h2, kind), flags, 1, payload)), "www.bench.test", "/page", b"page"
    )
    with pytest.raises(module("load").BadAnswerError):
        client.ask(1)


def test_tables_go_between_the_markers_and_nowhere_else(tmp_path: Path) -> None:
    markdown = module("markdown")
    path = tmp_path / "d.md"
    path.write_text(f"before\n{markdown.BEGIN}\nold\n{markdown.END}\nafter\n")
    markdown.put_into(path, "new")
    text = path.read_text()
    assert text == f"before\n{markdown.BEGIN}\n\nnew\n{markdown.END}\nafter\n"
    markdown.put_into(path, "new")
    assert path.read_text() == text


def test_a_document_without_markers_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "d.md"
    path.write_text("mine")
    with pytest.raises(SystemExit):
        module("markdown").put_into(path, "new")
    assert path.read_text() == "mine"


def test_our_own_document_has_the_markers() -> None:
    markdown = module("markdown")
    text = (Path(SCRIPTS).parent / "docs/performance.md").read_text("utf-8")
    assert text.count(markdown.BEGIN) == text.count(markdown.END) == 1


def test_a_run_without_figures_is_a_document_without_figures() -> None:
    facts = {
        "date": "2026-11-21",
        "commit": "abc",
        "dirty": False,
        "python": "3.13",
        "mitmproxy": "12",
        "cpus": 2,
        "load_average": 0.5,
        "cores": "Two.",
        "quick": False,
        "noise": {},
        "memory_mib": {},
    }
    text = module("markdown").document({"facts": facts, "scenarios": {}, "studies": {}})
    goals = len(module("goals").GOALS)
    assert text.count("| not measured |") == goals
    assert " met |" not in text.replace("not met", "")


def test_sizing_examples_follow_from_the_figures() -> None:
    sizing = module("sizing")
    written = {
        "facts": {},
        "scenarios": {
            "keep-alive": {
                "cpu_ms": {"watchhouse": figure(1.0)},
                "rounds": {"watchhouse": [{"records": 10, "log_octets": 9000}]},
            },
            "connect-kept": {"cpu_ms": {"watchhouse": figure(11.0)}},
        },
        "studies": {},
    }
    carries, leaves = sizing.examples(written)
    assert "carries 300 inspected requests" in carries  # 600 ms a second, 2 ms each on average
    assert "leave 0.90 GB" in leaves


# --- signing in -----------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True])
def test_credentials_are_said_where_the_proxy_is_spoken_to_and_nowhere_else(tls: bool) -> None:
    load = module("load")
    context = load.ssl.create_default_context() if tls else None
    target = load.Target(("127.0.0.1", 1), "h.test", 80, "/", b"", context, login="Negotiate dG9r")
    said = b"\r\nProxy-Authorization: Negotiate dG9r\r\n"
    assert said in target.connect_request
    assert (said in target.request) is not tls
    assert target.request.endswith(b"\r\n\r\n")
    assert target.request.count(b"\r\n\r\n") == target.connect_request.count(b"\r\n\r\n") == 1


def test_what_a_sign_in_adds_is_taken_round_by_round() -> None:
    signin = module("signin")

    def costs(known: float, ticket: float) -> dict[str, float]:
        return {"open": known, "ticket": known + ticket, "asked": known + 2 * ticket}

    rounds = [
        {"squid": costs(100, 400), "watchhouse": costs(300, 200)},
        # A slow minute, for both: the ratio of what is added stays.
        {"squid": costs(200, 800), "watchhouse": costs(600, 400)},
    ]
    tickets = [{"squid": 300.0, "watchhouse": 100.0}, {"squid": 200.0, "watchhouse": 100.0}]
    found = signin.figures_of(rounds, tickets)
    assert found["added_us"]["watchhouse"]["ticket"] == {"median": 300, "least": 200, "most": 400}
    assert found["ratio"]["added"]["ticket"] == {"median": 0.5, "least": 0.5, "most": 0.5}
    assert found["ratio"]["whole"]["ticket"]["median"] == pytest.approx(1.0)
    assert found["ratio"]["check"]["least"] == pytest.approx(1 / 3)
    assert "sign-in 0.50" in "".join(
        signin.SignIn().lines({"sign_ins": 2000, "replays_refused": {}, **found})
    )


@pytest.mark.parametrize(
    ("sign_ins", "ratio", "verdict"),
    [(2000, 1.0, "met"), (2000, 1.01, "missed"), (400, 0.5, "not judged: 400 of 2,000")],
)
def test_sign_ins_are_judged_by_what_they_add(sign_ins: int, ratio: float, verdict: str) -> None:
    study = {"sign_ins": sign_ins, "ratio": {"added": {"ticket": figure(ratio)}}}
    assert judged({"scenarios": {}, "studies": {"sign-in": study}}, "sign-in").verdict == verdict


def test_a_gust_in_one_turn_is_no_difference() -> None:
    turns = {"known": [1.0] * 5, "known-again": [1.0] * 5, "signed-in": [1.02, 1.02, 9.0, 1.0, 1.1]}
    one = {"inspected": turns, "plain": {**turns, "password": [1.2] * 5}}
    found = module("signedin").figures_of({"watchhouse": [one]})
    more = found["more_percent"]["watchhouse"]["plain"]
    assert more["signed-in"]["median"] == pytest.approx(2.0)
    assert more["known-again"]["most"] == 0
    assert more["password"]["median"] == pytest.approx(20.0)
    assert found["cpu_ms"]["watchhouse"]["plain"]["signed-in"]["median"] == pytest.approx(2.628)


@pytest.mark.parametrize(("more", "verdict"), [(3.0, "met"), (3.1, "missed"), (-1.0, "met")])
@pytest.mark.parametrize("what", ["inspected", "plain"])
def test_signed_in_requests_are_judged_by_kind(what: str, more: float, verdict: str) -> None:
    other = {"inspected": "plain", "plain": "inspected"}[what]
    percent = {what: {"signed-in": figure(more)}, other: {"signed-in": figure(50)}}
    study = {"requests": 4800, "more_percent": {"watchhouse": percent}}
    found = list(module("goals").judge({"scenarios": {}, "studies": {"signed-in": study}}))
    verdicts = {each.goal.path[-2]: each.verdict for each in found if each.verdict[0] == "m"}
    assert verdicts == {what: verdict, other: "missed"}


def test_the_asking_gateway_knows_only_those_clients_that_are_to_be_known(tmp_path: Path) -> None:
    asking = module("asking")
    keytab = tmp_path / "keytab"
    keytab.write_bytes(b"\5\2")
    identity = load(asking.write_config(tmp_path / "c", keytab), environ={}).identity
    assert (identity.order, identity.kerberos.keytab) == (
        ("addresses", "kerberos", "basic"),
        keytab,
    )
    (entry,) = identity.addresses
    assert ip_address(asking.FIRST_KNOWN) in entry.network
    assert ip_address(asking.FIRST_UNKNOWN) not in entry.network
    # What is decided is the same for both.
    assert entry.profile == identity.default_profile


QUESTION = (
    b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Negotiate\r\n"
    b"Content-Length: 5\r\n\r\nwho??"
)


def challenged(*answers: bytes) -> Any:
    signin, load = module("signin"), module("load")
    client = signin.AskedFirst(load.Target(("127.0.0.1", 1), "h.test", 80, "/", b"", None))
    client.sock.close()
    client.sock = FakeWire(*answers)
    return client.read_challenge()


def test_a_question_is_read_with_its_page_however_it_is_cut() -> None:
    steps = challenged(*(QUESTION[at : at + 1] for at in range(len(QUESTION))))
    assert list(steps) == []


@pytest.mark.parametrize(
    "answer",
    [
        QUESTION[:-1],
        QUESTION.replace(b"407", b"200"),
        QUESTION.replace(b"Negotiate", b"Basic"),
        QUESTION.replace(b"Content-Length: 5", b"X: 5"),
    ],
)
def test_what_is_no_question_is_a_wrong_answer(answer: bytes) -> None:
    with pytest.raises(module("load").BadAnswerError):
        list(challenged(answer))


@pytest.mark.parametrize(
    ("people", "statements", "more", "verdicts"),
    [
        (13_000, 0.99, 2.9, ["met", "met", "met"]),
        (13_000, 1.01, 3.1, ["missed", "missed", "missed"]),
        (1_300, 0.1, 0.1, ["not judged: 1,300 of 13,000"] * 3),
    ],
)
def test_a_shift_change_is_judged_by_all_of_the_people(
    people: int, statements: float, more: float, verdicts: list[str]
) -> None:
    percent = {what: figure(more) for what in ("decision", "latency")}
    study = {"people": people, "a_person_minute": statements, "with": {"more_percent": percent}}
    found = list(module("goals").judge({"scenarios": {}, "studies": {"shift-change": study}}))
    assert [each.verdict for each in found if each.goal.scenario == "shift-change"] == verdicts


async def test_what_a_shift_change_counts_is_what_the_store_has(tmp_path: Path) -> None:
    shifting = module("shifting")
    (tmp_path / "store").mkdir()
    change = shifting.ShiftChange(tmp_path / "store", 40, 1)
    await change.begin()
    for _ in range(240):
        await change.half_a_second()
    await change.end()
    assert change.sent["looks"] >= 240 * shifting.WORKERS
    with contextlib.closing(sqlite3.connect(tmp_path / "store" / "standing.sqlite")) as store:
        for table, number in (("minutes", len(change.used)), ("breaks", 12)):
            assert store.execute(f"SELECT count(*) FROM {table}").fetchone() == (number,)


# --- content --------------------------------------------------------------------------------------


def test_what_content_downloads_is_what_it_is_called(tmp_path: Path) -> None:
    files = module("contentfiles")
    kinds = {"html": "web-page", "css": "style-sheet", "js": "web-script", "json": "data",
             "png": "image", "woff2": "font"}  # fmt: skip
    for name, body in files.pages().items():
        assert abs(len(body) - files.PAGE_OCTETS) <= 300, name
        assert types_of_file(io.BytesIO(body), declared_of(f"/{name}", "", "")) == {
            kinds[name.rpartition(".")[2]]
        }
    for name, body in files.documents().items():
        assert 0.95 <= len(body) / files.DOCUMENT_OCTETS <= 1.1, name
        (tmp_path / name).write_bytes(body)
    with zipfile.ZipFile(tmp_path / "report.docx") as document:
        assert document.testzip() is None
    pdf = pypdfium2.PdfDocument(tmp_path / "report.pdf")
    assert len(pdf) == 20
    assert pdf[19].render(scale=0.05).width
    pdf.close()


def test_an_endless_archive_is_a_real_one() -> None:
    endless = module("endless")
    block = module("contentfiles").block()
    for octets in (100, len(block) + 7):
        for kind in ("film", "archive"):
            head, end = endless.around(kind, octets, block)
            body = head + (block * 2)[:octets] + end
            assert endless.whole(kind, octets) == (len(body), zlib.crc32(body))
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            assert archive.testzip() is None
            assert archive.read("film.mp4") == module("contentfiles").FILM + (block * 2)[:octets]


def test_without_findings_no_rule_looks_at_bodies_and_all_others_stay(tmp_path: Path) -> None:
    whole = load(Path(SCRIPTS).parent / "config", environ={}).policy.rules
    made = module("contentsides").without_findings(tmp_path / "c")
    rules = load(made, environ={}).policy.rules
    left_out = {rule.id for rule in whole} - {rule.id for rule in rules}
    assert {"software", "software-in-archives", "virus", "not-scanned", "sealed-files"} <= left_out
    assert not {rule.id for rule in rules} & {"virus", "software"}
    assert "webmail" in {rule.id for rule in rules}
    written = (made / "policy.yaml").read_text("utf-8")
    assert not any(f'"{kind}":' in written for kind in KINDS)


def test_content_is_judged_by_case() -> None:
    ratios = {
        "watchhouse/watchhouse-off": figure(1.1),
        "watchhouse-clamd/e2guardian-clamd": figure(2),
    }
    cases = {case: {"cpu_ratio": ratios} for case in ("inspected", "plain")}
    study = {"requests": 3000, "cases": cases}
    found = list(module("goals").judge({"scenarios": {}, "studies": {"content-pages": study}}))
    verdicts = [each.verdict for each in found if each.goal.scenario == "content-pages"]
    assert verdicts == ["met", "not measured", "missed", "not measured"]


@pytest.mark.parametrize(
    ("answer", "what", "came"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "whole", 5),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "whole",
            5,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "broken off", 4),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "broken off", 5),
        (b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", "answered 403", 2),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhullo", None, 0),
    ],
)
def test_what_came_of_a_download(answer: bytes, what: str | None, came: int) -> None:
    content = module("content")
    with Origin([("127.0.0.1", 0)]) as proxy:
        proxy.answer = answer
        side = SimpleNamespace(address=("127.0.0.1", proxy.ports[0]), name="x")
        bench = SimpleNamespace(origin=SimpleNamespace(host="h.test"))
        if what is None:
            with pytest.raises(module("load").BadAnswerError, match="not the 5 of the origin"):
                content.download(bench, side, 80, "/", 5, zlib.crc32(b"hello"))
            return
        found = content.download(bench, side, 80, "/", 5, zlib.crc32(b"hello"))
    assert (found.what, found.came) == (what, came)
