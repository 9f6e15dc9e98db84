"""The people and the index folder of the search tests."""

from tests.search.conftest import _own_index_folder, alice, bob  # noqa: F401 - fixtures
