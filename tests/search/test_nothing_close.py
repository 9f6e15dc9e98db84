"""Nothing comes close: what a search says where the best that it found is no better than chance finds."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from core.errors import ModelUnavailable
from search import verdict
from search.encoding import embedder
from search.services import Question, Term, Words, answer, search_image, search_terms, search_text
from tests.search.photos import many, photo

pytestmark = pytest.mark.django_db
FAKES = {"image": "fake-image", "caption": "fake-caption"}
FAR = "a submarine"


def write(folder: Path, **changed: Any) -> None:
    """A cut-off that looks at the best picture alone: a colour that is asked for scores 1, another thing about 0."""
    told = {
        "models": FAKES,
        "weights": {"image": 1.0, "keyword_several": 0.0},
        "limits": [{"base": 0.5, "growth": 0.0}],
    }
    (folder / verdict.CUTOFF).write_text(json.dumps({**told, **changed}))


@pytest.fixture(autouse=True)
def fitted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(verdict, "CHECKPOINTS", tmp_path)
    write(tmp_path)
    return tmp_path


def test_what_is_there_is_close_and_what_is_not_is_only_the_nearest(alice: User) -> None:
    red = photo(alice, "a red picture")
    assert search_text(alice, "a red picture").close is True
    page = search_text(alice, FAR)
    assert page.close is False
    assert [match.asset_id for match in page.matches] == [red.pk]


@pytest.mark.parametrize(
    "told",
    [{"title": "The Submarine Museum"}, {"tags": ["submarines"]}, {"description": "We saw a submarine"}],
)
def test_what_people_called_it_is_never_far(alice: User, told: dict[str, Any]) -> None:
    photo(alice, "a red picture", **told)
    assert search_text(alice, FAR).close is True
    assert search_text(alice, "a yellow submarine").close is False  # not all of it


def test_a_word_of_the_captioner_alone_is_no_proof(alice: User) -> None:
    photo(alice, "a red submarine", looks="red")
    assert search_text(alice, FAR).close is False


def test_a_private_title_of_somebody_else_proves_nothing(alice: User, bob: User) -> None:
    photo(alice, "a red picture")
    photo(bob, "a blue picture", title="Submarine", visibility="private")
    assert search_text(alice, FAR).close is False
    assert search_text(bob, FAR).close is True


def test_what_was_asked_for_word_by_word_stands_there(alice: User) -> None:
    photo(alice, "a red picture")
    assert search_text(alice, 'submarine "red picture"').close is True
    assert search_text(alice, "submarine text:picture").close is True
    assert search_text(alice, "submarine -text:blue").close is False
    assert search_text(alice, "submarine type:jpeg").close is False


def test_only_a_text_by_relevance_is_judged_and_once(alice: User) -> None:
    many(alice, 4, "a red picture")
    first = search_text(alice, FAR, limit=2)
    assert first.close is False
    assert search_text(alice, FAR, limit=2, cursor=first.next).close is None
    assert search_text(alice, FAR, sort="date").close is None
    assert search_text(alice, "type:jpeg").close is None
    assert search_text(alice, "the who").close is None
    assert search_terms(alice, [Term(text="submarine"), Term(text="war", weight=-1)]).close is None
    vector = embedder("image").embed_queries(["blue"])[0]
    assert search_image(alice, vector).close is None
    assert search_image(alice, vector, words=Words("submarine")).close is None


def test_words_alone_are_no_evidence_to_weigh(alice: User) -> None:
    photo(alice, "a red picture")
    assert answer(alice, Question("text", "words", {}, ["submarine", "picture"]), limit=5).close is None


def test_nothing_found_is_nothing_to_judge(alice: User) -> None:
    assert search_text(alice, FAR).close is None
    photo(alice, "a red picture")
    assert search_text(alice, f"{FAR} tag:sea").close is None


def test_it_can_be_switched_off(alice: User, settings: Any) -> None:
    photo(alice, "a red picture")
    settings.SEARCH_CUTOFF = False
    assert search_text(alice, FAR).close is None


@pytest.mark.parametrize("models", [{**FAKES, "image": "another"}, {"image": "fake-image"}])
def test_a_cutoff_of_other_models_gives_no_verdict(alice: User, fitted: Path, models: dict[str, str]) -> None:
    photo(alice, "a red picture")
    write(fitted, models=models)
    assert search_text(alice, FAR).close is None


def test_without_a_cutoff_there_is_no_verdict(alice: User, fitted: Path) -> None:
    photo(alice, "a red picture")
    (fitted / verdict.CUTOFF).unlink()
    assert search_text(alice, FAR).close is None


@pytest.mark.parametrize("damage", ["{", "[]", "{}", '{"models": {}, "weights": {}, "limits": []}'])
def test_a_damaged_cutoff_says_what_to_do(alice: User, fitted: Path, damage: str) -> None:
    photo(alice, "a red picture")
    (fitted / verdict.CUTOFF).write_text(damage)
    with pytest.raises(ModelUnavailable, match=r"manage\.py fit_cutoff"):
        search_text(alice, FAR)


class TestHowManyPhotos:
    """More must be reached among more photos; those that the viewer may find count, and no others."""

    @pytest.fixture(autouse=True)
    def growing(self, fitted: Path) -> None:
        # 2.1 for 9 photos, 3.0 for 100: the best picture has to score 0.75 and 1.05
        write(fitted, limits=[{"base": 0.0, "growth": 0.35}])

    def test_few(self, alice: User) -> None:
        many(alice, 9, "a red picture")
        assert search_text(alice, "red").close is True

    def test_many(self, alice: User) -> None:
        many(alice, 100, "a red picture")
        assert search_text(alice, "red").close is False

    def test_many_of_which_few_may_be_found(self, alice: User, bob: User) -> None:
        many(alice, 100, "a blue picture", visibility="private")
        many(alice, 9, "a red picture")
        assert search_text(bob, "red").close is True


class TestHowItIsTold:
    def test_over_http(self, client: Client, alice: User) -> None:
        photo(alice, "a red picture")
        told = {
            query: client.get("/api/v1/search", {"q": query}).json() for query in ("red", FAR, "type:jpeg")
        }
        assert [one["close"] for one in told.values()] == [True, False, None]
        assert len(told[FAR]["results"]) == 1
        schema = client.get("/api/v1/openapi.json").json()["components"]["schemas"]["Results"]
        assert "nothing does" in schema["properties"]["close"]["description"]

    def test_on_the_page(self, client: Client, alice: User) -> None:
        photo(alice, "a red picture")
        shown = client.get("/", {"q": f"{FAR} <b>"}).content.decode()
        assert "<h2>The nearest to “a submarine &lt;b&gt;”</h2>" in shown
        assert shown.index("Nothing here clearly shows what you describe") < shown.index('<ul class="grid"')
        assert "Nothing clearly fits. The nearest: 1 photo</p>" in shown  # what screen readers announce
        near = client.get("/", {"q": "red"}).content.decode()
        assert "<h2>Photos for “red”</h2>" in near
        assert "Nothing here clearly shows" not in near
