"""Fixtures of the captioning tests."""

from tests.captioning.checkpoints import registered, shipped  # noqa: F401 - fixtures
from tests.captioning.reviewing import alice, bob, dora  # noqa: F401 - fixtures
