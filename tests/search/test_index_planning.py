"""Which kind is chosen for how many vectors and which budget, and what is said of it."""

import pytest

from search.index.base import Budget
from search.index.faiss import planning
from search.index.faiss.planning import Kind, memory_bytes, plans

MB = planning.MEGABYTE
WIDE = Budget(memory_bytes=10**15, latency_ms=1e9)


def chosen(count: int, **budget: float) -> Kind:
    return plans(count, 384, Budget(**{"memory_bytes": 10**15, "latency_ms": 1e9, **budget}))[0].kind  # type: ignore[arg-type]


def test_without_a_need_nothing_is_given_up() -> None:
    assert chosen(10) == Kind.FLAT
    assert chosen(10_000_000) == Kind.FLAT


def test_what_the_defaults_choose_as_a_library_grows() -> None:
    kinds = [plans(count, 384, Budget())[0].kind for count in (10, 200_000, 400_000, 1_000_000)]
    assert kinds == [Kind.FLAT, Kind.FLAT, Kind.SQ8, Kind.IVF]


def test_less_memory_means_fewer_bits() -> None:
    tight = [chosen(1_000_000, memory_bytes=megabytes * MB) for megabytes in (2000, 500, 300)]
    assert tight == [Kind.FLAT, Kind.SQ8, Kind.RABITQ]


def test_less_time_means_fewer_vectors_looked_at() -> None:
    quick = [chosen(1_000_000, latency_ms=ms) for ms in (1000, 60, 20, 2)]
    assert quick == [Kind.FLAT, Kind.SQ8, Kind.IVF, Kind.HNSW]


def test_a_million_vectors_fit_a_third_of_what_they_take_by_themselves() -> None:
    budget = Budget(memory_bytes=memory_bytes(Kind.FLAT, 1_000_000, 384) // 3, latency_ms=15)
    assert plans(1_000_000, 384, budget)[0].kind == Kind.IVF


def test_memory_is_a_limit_and_latency_a_wish() -> None:
    found = plans(1_000_000, 384, Budget(memory_bytes=500 * MB, latency_ms=0.001))
    assert found[0].memory_bytes <= 500 * MB
    assert "fastest within the memory" in found[0].why
    smallest = plans(1_000_000, 384, Budget(memory_bytes=1, latency_ms=0.001))
    assert smallest[0].kind == Kind.RABITQ
    assert "smallest" in smallest[0].why


def test_the_last_resort_has_every_answer() -> None:
    for budget in (Budget(), Budget(memory_bytes=1), Budget(latency_ms=0.1), Budget(kind="hnsw"), WIDE):
        for count in (0, 1, 1000, 3_000_000):
            found = plans(count, 384, budget)
            assert found[-1].kind == Kind.FLAT
            assert len({plan.kind for plan in found}) == len(found)
            assert all(plan.why for plan in found)


def test_the_choice_names_what_was_passed_over_and_what_it_would_take() -> None:
    why = plans(1_000_000, 384, Budget(memory_bytes=1000 * MB, latency_ms=20))[0].why
    assert "1,000 MB and 20 ms" in why
    assert "flat would take 1,544 MB" in why
    assert "sq8 would take 48.3 ms" in why


@pytest.mark.parametrize("count", [0, 1, 38, 39, 1000, 1_000_000])
def test_cells_are_few_enough_to_be_learnt(count: int) -> None:
    assert 1 <= planning.cells(count) <= max(1, count // 39)
    assert planning.training_rows(count) <= count
