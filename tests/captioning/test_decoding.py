"""Decodings: what may be chosen, what becomes of it, and the names that keep captions apart."""

from typing import Any

import pytest

from captioning.captioners.decoding import Decoding, model_id_with, name_of, spoken
from core.errors import InvalidInput

SHIPPED = {"num_beams": 3, "max_new_tokens": 24, "do_sample": False, "concept_agreement": 0.1}
MODEL = "smollm2-lite2-01fa4c5e-beam3-agree0.1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Decoding()),
        ("greedy", Decoding(num_beams=1)),
        ("beam5", Decoding(num_beams=5)),
        ("nucleus0.9", Decoding(top_p=0.9)),
        ("nucleus.9, temperature=0.7", Decoding(top_p=0.9, temperature=0.7)),
        ("num_beams=2,max_new_tokens=40", Decoding(num_beams=2, max_new_tokens=40)),
        ("no_repeat_ngram_size=3", Decoding(no_repeat_ngram_size=3)),
    ],
)
def test_what_may_be_said(text: str, expected: Decoding) -> None:
    assert Decoding.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("beams", "allowed are greedy, beamN"),
        ("beam=5", "allowed are .* num_beams, top_p, temperature, max_new_tokens, no_repeat_ngram_size"),
        ("beam0", "num_beams must be from 1 to 16, not 0"),
        ("beam99", "num_beams must be from 1 to 16"),
        ("num_beams=2.5", "num_beams must be a whole number"),
        ("nucleus1.5", "top_p must be from 0.01 to 1"),
        ("top_p=nan", "top_p must be from"),
        ("temperature=hot", "temperature must be a number"),
        ("max_new_tokens=0", "max_new_tokens must be from 1 to 256"),
        ("beam3,nucleus0.9", "choose one"),
        ("beam3,num_beams=4", "num_beams is said twice"),
        ("match_weight=-1", "match_weight must be from 0"),
        ("greedy,match_weight=5", "nothing to choose"),
        ("nucleus0.9,match_weight=5", "nothing to choose"),
        ("do_sample=1", "is no decoding"),
    ],
)
def test_what_is_refused_and_how(text: str, rule: str) -> None:
    with pytest.raises(InvalidInput, match=rule):
        Decoding.parse(text)


@pytest.mark.parametrize(
    ("text", "arguments", "name", "said"),
    [
        ("", SHIPPED, "beam3-agree0.1", "beam 3"),
        ("greedy", {"num_beams": 1, "max_new_tokens": 24, "do_sample": False}, "beam1", "greedy"),
        ("beam5", SHIPPED | {"num_beams": 5}, "beam5-agree0.1", "beam 5"),
        (
            "nucleus0.9,temperature=0.7",
            {"do_sample": True, "top_k": 0, "top_p": 0.9, "temperature": 0.7, "max_new_tokens": 24},
            "nucleus0.9-t0.7",
            "nucleus 0.9 (t0.7)",
        ),
        (
            "beam4,match_weight=20",
            SHIPPED | {"num_beams": 4, "match_weight": 20.0},
            "beam4-agree0.1-match20",
            "beam 4",
        ),
        (
            "max_new_tokens=40,no_repeat_ngram_size=3",
            SHIPPED | {"max_new_tokens": 40, "no_repeat_ngram_size": 3},
            "beam3-agree0.1-max40-norep3",
            "beam 3 (max40-norep3)",
        ),
    ],
)
def test_what_becomes_of_a_checkpoint_s_own(
    text: str, arguments: dict[str, Any], name: str, said: str
) -> None:
    chosen = Decoding.parse(text)
    assert chosen.over(SHIPPED) == arguments
    assert name_of(arguments) == name
    assert spoken(arguments) == said
    assert model_id_with(MODEL, SHIPPED, chosen) == f"smollm2-lite2-01fa4c5e-{name}"


def test_an_id_that_names_no_decoding_gets_one_only_when_it_is_changed() -> None:
    assert model_id_with("trained-1", {}, Decoding()) == "trained-1"
    assert model_id_with("trained-1", {}, Decoding(num_beams=4)) == "trained-1-beam4"
    assert model_id_with("trained-1", {}, Decoding(num_beams=1)) == "trained-1"
