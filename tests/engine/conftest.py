"""What the engine's tests share: a clock, certificates, an index, and a stage to play on."""

from support.fixtures import (
    clock,
    connect,
    lane,
    nothing_blocks,
    small_index,
    stage,
    stage_with,
    web_authority,
)

__all__ = [
    "clock", "connect", "lane", "nothing_blocks", "small_index", "stage", "stage_with",
    "web_authority",
]  # fmt: skip
