"""What the engine's tests share: certificates, an index, and a stage to play on."""

from support.fixtures import nothing_blocks, small_index, stage, stage_with, web_authority

__all__ = ["nothing_blocks", "small_index", "stage", "stage_with", "web_authority"]
