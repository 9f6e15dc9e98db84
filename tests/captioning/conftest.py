"""Fixtures of the captioning tests."""

from tests.captioning.checkpoints import registered, shipped  # noqa: F401 - fixtures
