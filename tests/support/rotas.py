"""What a rota file says, and what is wrong with it, as the tests of its formats compare it.

In: a file that was read, or one that cannot be. Out: lines.
Must never: read a file itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from proxy_addons.standing.rota_problems import RotaFileError

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.standing.rota_entries import RotaFile


def duties(file: RotaFile, person: str = "jane") -> list[str]:
    """Somebody's duties, a line each."""
    return [
        f"{each.begins:%m-%d %H:%M} {each.ends:%m-%d %H:%M} {each.kind}"
        for each in file.people[person].duties
    ]


def problems(read: Callable[..., RotaFile], text: str | bytes, **options: object) -> list[str]:
    """Why a file is refused, a line each."""
    with pytest.raises(RotaFileError) as caught:
        read(text, **options)
    return str(caught.value).splitlines()
