"""The small part of the corpus, of files that are on any machine with this suite.

The whole of it, with packages of the registries and all archivers, is `scripts/corpus`.
"""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from urllib.parse import quote

from content import corpus

from proxy_addons.content.types import HEAD, TAIL, is_plain, tail_types, types_of, types_of_file
from proxy_addons.gate.glance import is_ordinary
from proxy_addons.policy.findings import GROUPS

SOFTWARE = GROUPS["software"]


def test_software_is_seen_in_every_shape():
    shapes = [*corpus.software_here(), *corpus.made_by_format(Path("/nonexistent"))]
    assert len(shapes) >= 200
    for shape in shapes:
        body = shape.bytes()
        found = types_of_file(io.BytesIO(body), shape.declared)
        head = types_of(body[:HEAD], shape.declared, whole=len(body) <= HEAD)
        said = [(b"Content-Type", shape.declared.content_type.encode())]
        for name in shape.declared.names or ("",):
            assert not is_ordinary(f"/{quote(name)}", 200, said, body), shape.name
        if shape.packed:  # its members are looked at elsewhere: that it is one must show
            assert found & {"archive"}, shape.name
            continue
        assert found & shape.expected, (shape.name, found)
        at_end = tail_types(body[-TAIL:], shape.declared)
        assert (head | at_end) & SOFTWARE, (shape.name, head)
        if head & SOFTWARE:
            assert not is_plain(body[:HEAD], shape.declared), shape.name


def test_what_is_ordinary_is_no_software():
    shapes = list(corpus.ordinary_here(40))
    kinds = {shape.name.rpartition(".")[2] for shape in shapes}
    assert len(shapes) >= 100, sorted(kinds)
    for shape in shapes:
        body = shape.bytes()
        found = types_of_file(io.BytesIO(body), shape.declared)
        assert not found & SOFTWARE, (shape.name, found)


def test_behind_a_picture():
    picture = corpus.Sample("picture", Path("picture.png"), "image")
    program = next(corpus.windows_programs_of_this_machine())
    png = b"\x89PNG\r\n\x1a\n" + bytes(2000)
    packed = corpus.zipped([program.path.name], program.path.read_bytes())
    found = tail_types((png + packed)[-TAIL:], corpus.named(picture.path.name))
    assert found == {"archive"}


def test_the_samples_are_what_they_are_called():
    """Where a sample is from says what it is: none may be there twice, or be something else."""
    samples = list(corpus.programs_of_this_machine(6))
    assert {sample.kind for sample in samples} == {
        "linux-program",
        "shell-script",
        "python-package",
    }
    for one, other in itertools.combinations(samples, 2):
        assert one.path != other.path
