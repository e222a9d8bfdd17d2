"""What the tests of addons share: certificates, an index, and a stage to play on."""

from support.fixtures import lane, nothing_blocks, small_index, stage, stage_with, web_authority

__all__ = ["lane", "nothing_blocks", "small_index", "stage", "stage_with", "web_authority"]
