"""Fixtures that every test may use. Services such as Redis come from tests/services."""
