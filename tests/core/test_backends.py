import gc
import os
import threading
from collections.abc import Iterator
from types import ModuleType

import pytest
from django.core.exceptions import ImproperlyConfigured

from core import backends
from core.errors import ModelUnavailable

pytestmark = pytest.mark.usefixtures("forgotten")


@pytest.fixture
def forgotten() -> Iterator[None]:
    backends.clear()
    yield
    backends.clear()


class Plain:
    built = 0

    def __init__(self, size: int = 1) -> None:
        self.size = size
        type(self).built += 1


class Broken:
    tries = 0

    def __init__(self) -> None:
        type(self).tries += 1
        raise FileNotFoundError("weights.safetensors")


class WantsMissingLibrary:
    def __init__(self) -> None:
        import no_such_library  # type: ignore[import-not-found]  # noqa: F401


HERE = __name__


def test_one_instance_per_path_and_arguments() -> None:
    first = backends.load(f"{HERE}.Plain")
    assert backends.load(f"{HERE}.Plain") is first
    other = backends.load(f"{HERE}.Plain", size=3)
    assert other is not first
    assert other.size == 3


def test_threads_that_race_build_only_once() -> None:
    Plain.built = 0
    barrier = threading.Barrier(8)
    found: list[object] = []

    def load() -> None:
        barrier.wait()
        found.append(backends.load(f"{HERE}.Plain", size=8))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Plain.built == 1
    assert len(set(map(id, found))) == 1


def test_a_fork_builds_its_own() -> None:
    backends.load(f"{HERE}.Plain")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, str(len(backends._instances)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 10) == b"0"
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("path", ["nodots", "no.such.module.Class", f"{HERE}.NoSuchClass", "core.nothing.X"])
def test_a_path_that_names_nothing_is_a_configuration_error(path: str) -> None:
    with pytest.raises(ImproperlyConfigured):
        backends.load(path)


def test_missing_library_and_missing_file_are_an_unavailable_model_and_are_tried_again() -> None:
    with pytest.raises(ModelUnavailable, match="no_such_library"):
        backends.load(f"{HERE}.WantsMissingLibrary")
    for _ in range(2):
        with pytest.raises(ModelUnavailable, match=r"weights\.safetensors"):
            backends.load(f"{HERE}.Broken")
    assert Broken.tries == 2


def test_a_module_whose_own_import_fails_names_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def import_module(name: str) -> ModuleType:
        raise ModuleNotFoundError("No module named 'faiss'", name="faiss")

    monkeypatch.setattr(backends, "import_module", import_module)
    with pytest.raises(ModelUnavailable, match="faiss"):
        backends.load("search.index.faiss.engine.FaissIndex")


def test_what_was_loaded_is_not_walked_through_by_the_collector_until_it_is_forgotten() -> None:
    assert gc.get_freeze_count() == 0
    backends.load(f"{__name__}.Plain")
    backends.forget_others(f"{__name__}.Plain")
    assert gc.get_freeze_count() > 0, "there was nothing to forget"
    backends.forget_others(f"{__name__}.Plain", name="another")
    assert gc.get_freeze_count() == 0
    backends.load(f"{__name__}.Plain")
    backends.clear()
    assert gc.get_freeze_count() == 0
