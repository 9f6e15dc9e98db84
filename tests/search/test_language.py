"""The language of the search box, without a database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidQuery
from search.language import (
    MAX_CONDITIONS,
    OPERATORS,
    PHRASE,
    WORD,
    beginning_of,
    controls_of,
    edited,
    parse,
    refined,
    term,
)


def conditions(text: str) -> list[tuple[str, str, bool]]:
    return [(one.operator, one.value, one.without) for one in parse(text).conditions]


def refused(text: str) -> InvalidQuery:
    with pytest.raises(InvalidQuery) as caught:
        parse(text)
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        "two dogs in the snow",
        'a 24" monitor and a 5\'11" man',
        "t-shirt",
        "a film in 16:9 at 10:30",
        "note: a dog",
        "https://example.org/dog",
        "cat - dog",
        "--force",
        ":) (:",
        "🎉 party",
        "黑狗 в снегу",
        "'; DROP TABLE library_asset; --",
        "<script>alert(1)</script>",
        "to be or not to be",
        "50% off_now * ? [a] {b}",
    ],
)
def test_plain_text_is_plain_text(text: str) -> None:
    assert parse(text).text == text
    assert parse(text).conditions == ()


@pytest.mark.parametrize(
    ("text", "ranked", "expected"),
    [
        ('"black dog" running', "black dog running", [(PHRASE, "black dog", False)]),
        ("“black dog”", "black dog", [(PHRASE, "black dog", False)]),
        ("«black dog»", "black dog", [(PHRASE, "black dog", False)]),
        ("dog -cat", "dog", [(WORD, "cat", True)]),
        ('dog -"black cat"', "dog", [(PHRASE, "black cat", True)]),
        ("tag:sea dog", "dog", [("tag", "sea", False)]),
        ('TAG:"the  sea"', "", [("tag", "the sea", False)]),
        ("-tag:sea dog", "dog", [("tag", "sea", True)]),
        ("text:Harbour", "", [("text", "Harbour", False)]),
        ("colour:Red -color:blue", "", [("colour", "red", False), ("colour", "blue", True)]),
        ("after:2024 before:2024-5", "", [("after", "2024", False), ("before", "2024-05", False)]),
        ("before:2024/05/01", "", [("before", "2024-05-01", False)]),
        ("type:PNG by:Ann is:reviewed", "", [("type", "png", False), ("by", "Ann", False), ("is", "reviewed", False)]),
    ],
)  # fmt: skip
def test_conditions(text: str, ranked: str, expected: list[tuple[str, str, bool]]) -> None:
    assert parse(text).text == ranked
    assert conditions(text) == expected


@pytest.mark.parametrize(
    ("text", "token", "says"),
    [
        ('dog "black cat', '"black cat', "never closed"),
        ('dog tag:"sea', '"sea', "never closed"),
        ("dog colr:red", "colr:red", "There is no operator “colr:”"),
        ("dog tga:sea cat", "tga:sea", "Did you mean tag:?"),
        ("before:yesterdayish dog", "before:yesterdayish", "2024-05-01"),
        ("after:2024-13", "after:2024-13", "no such day"),
        ("after:2023-02-29", "after:2023-02-29", "no such day"),
        ("before:0000", "before:0000", "no such day"),
        ("tag: sea", "tag:", "right behind the colon"),
        ('tag:"" sea', 'tag:""', "right behind the colon"),
        ("dog type:mp3", "type:mp3", "there are image"),
        ("is:nice", "is:nice", "reviewed"),
        ("color:redish", "color:redish", "turquoise"),
        ("dog -🎉", "-🎉", "a letter or a digit"),
        ('"!!!"', '"!!!"', "a letter or a digit"),
        ("text:!!!", "text:!!!", "no letter"),
        ("tag:" + "x" * 65, "tag:" + "x" * 65, "at most 64"),
        ("red\x00", "\\x00", "control characters"),
    ],
)
def test_an_error_points_at_its_token(text: str, token: str, says: str) -> None:
    error = refused(text)
    assert says in str(error)
    assert error.token == token
    assert text[error.start : error.end] == (token if token in text else "\x00")


def test_an_error_says_what_is_allowed() -> None:
    assert refused("foo:bar").allowed == tuple(f"{name}:" for name in OPERATORS)
    assert "reviewed" in refused("is:nice").allowed
    assert "2024-05" in refused("before:soon").allowed


def test_too_much_is_refused_where_it_becomes_too_much() -> None:
    long = " ".join(["word"] * 10_000)
    assert refused(long).start == 1000
    many = " ".join(f"-w{number}" for number in range(MAX_CONDITIONS + 1))
    assert refused(many).token == f"-w{MAX_CONDITIONS}"
    assert (
        len(parse(" ".join(f"-w{number}" for number in range(MAX_CONDITIONS))).conditions) == MAX_CONDITIONS
    )


@pytest.mark.parametrize("text", ["", "  ", "\u3000"])
def test_nothing_is_no_query(text: str) -> None:
    assert "empty" in str(refused(text))


def test_a_date_is_its_first_moment() -> None:
    assert beginning_of("2024").isoformat() == "2024-01-01T00:00:00+00:00"
    assert beginning_of("2024-05").isoformat() == "2024-05-01T00:00:00+00:00"
    assert beginning_of("2024-05-07").isoformat() == "2024-05-07T00:00:00+00:00"


def test_queries_that_ask_the_same_are_the_same() -> None:
    assert parse("dog  tag:sea").identity == parse('tag:"sea" dog').identity
    assert parse("dog tag:sea").identity != parse("dog -tag:sea").identity


@pytest.mark.parametrize(
    ("operator", "value", "without"),
    [
        ("tag", "sea", False),
        ("tag", "the sea", True),
        ("tag", '5" disc', False),
        ("tag", '"quoted"', False),
        ("after", "2024-05", False),
        (PHRASE, "black dog", True),
        (WORD, "cat", True),
    ],
)
def test_what_is_written_is_read_again(operator: str, value: str, without: bool) -> None:
    assert conditions(term(operator, value, without=without)) == [(operator, value, without)]


def test_editing_changes_conditions_and_leaves_the_rest() -> None:
    text = 'red  tag:sea "black dog" -cat after:2024'
    drop = [one for one in parse(text).conditions if one.operator in {"tag", "after"}]
    assert edited(text, drop, [term("tag", "the lake")]) == 'red "black dog" -cat tag:"the lake"'


_PIECES = [
    '"',
    "“",
    "-",
    ":",
    " ",
    "tag:",
    "before:",
    "2024",
    "is:",
    "by:me",
    "<b>",
    "';--",
    "🎉",
    "猫",
    "ß",
    "*",
]


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(_PIECES), max_size=25).map("".join)))
def test_whatever_is_typed_is_parsed_or_refused_at_a_place_inside_it(text: str) -> None:
    try:
        query = parse(text)
    except InvalidQuery as caught:
        error = caught
    else:
        assert query.text.strip() or query.conditions
        assert all(text[one.start : one.end].strip() for one in query.conditions)
        return
    assert 0 <= error.start <= error.end <= len(text)
    assert str(error)


class TestControls:
    TEXT = 'red dog tag:sea tag:lake -cat -"blue car" after:2024 type:jpg is:public -tag:old by:ann by:bob'

    def test_controls_show_the_conditions(self) -> None:
        assert controls_of(parse(self.TEXT)) == {
            "phrase": "",
            "without": "cat, blue car",
            "tag": "sea, lake",
            "text": "",
            "colour": "",
            "camera": "",
            "by": "ann, bob",
            "after": "2024",
            "before": "",
            "type": "jpg",
            "is": "public",
        }

    def test_controls_that_nobody_touched_change_nothing(self) -> None:
        assert refined(self.TEXT, controls_of(parse(self.TEXT))) == self.TEXT
        assert refined(self.TEXT, {}) == self.TEXT

    def test_what_was_changed_is_replaced_and_the_rest_stays(self) -> None:
        chosen = {"tag": "the sea,lake", "without": "", "after": "2023-05", "is": "", "phrase": "red dog"}
        text = refined(self.TEXT, chosen)
        assert text == (
            'red dog type:jpg -tag:old by:ann by:bob phrase tag:"the sea" tag:lake after:2023-05'.replace(
                "phrase", '"red dog"'
            )
        )
        assert controls_of(parse(text))["tag"] == "the sea, lake"

    def test_what_no_control_can_show_stays_in_the_query(self) -> None:
        assert refined('"red, white" dog', {"phrase": "blue"}) == '"red, white" dog "blue"'

    def test_a_wrong_value_becomes_a_wrong_query_that_says_so(self) -> None:
        assert refused(refined("dog", {"after": "soon"})).token == "after:soon"
