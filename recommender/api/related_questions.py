"""What may be asked for related things: in an address, or in a body with or without a picture."""

import json
from collections.abc import Callable
from typing import IO, Annotated, Literal, cast

from django.http import HttpRequest
from ninja import Field, Schema
from pydantic import AfterValidator, ConfigDict, TypeAdapter, ValidationError

from core.errors import InvalidInput
from core.ids import MAX_ID
from core.texts import has_control
from library.transient import decode_transient
from recommender.filters import Filters
from recommender.item_content import LANGUAGE
from recommender.scoring.relatedness import Vector
from search.language import OPERATORS, TYPES
from search.query import MAX_LIMIT
from search.services import QUERY_PICTURE_PX
from workers import pipeline

EXCLUDED_MAX = 500
_MULTIPART = "multipart/form-data"
_EXAMPLES_MAX = 20

Kind = Literal["asset", "item", "any"]
Limit = Annotated[int, Field(12, ge=1, le=MAX_LIMIT)]
Diversity = Annotated[
    float | None,
    Field(None, ge=0, le=1, description="Variety against likeness; the site's setting if absent"),
]


def _plain(text: str) -> str:
    if has_control(text):
        raise ValueError("no control characters")
    return text


def _as(operator: str) -> Callable[[str], str]:
    """In the normal form of an operator of the search box; empty stays empty."""

    def normal(text: str) -> str:
        return OPERATORS[operator].normal(_plain(text)) if text else ""

    return normal


def _language(text: str) -> str:
    if text and not LANGUAGE.fullmatch(text):
        raise ValueError("a language tag such as en or pt-BR")
    return text


def _attributes(text: str) -> str:
    if text:
        try:
            _ATTRIBUTES.validate_json(text)
        except ValidationError as error:
            raise ValueError('a JSON object such as {"section": "outdoors"}') from error
    return text


Visitor = Annotated[
    str,
    Field(
        "",
        description="The id that your site gave the visitor, who then keeps their variant of an experiment; "
        "who names diversity takes part in none",
    ),
]
Attributes = dict[str, str | int | float | bool]
_ATTRIBUTES = TypeAdapter(Attributes)
Scenario = Annotated[
    str, Field("", max_length=64, description="Your name for the place on the page"), AfterValidator(_plain)
]


class Narrowing(Schema):
    """Which things; what is empty does not narrow. What is asked of photos alone lets no item through."""

    tag: Annotated[str, Field(max_length=64), AfterValidator(_as("tag"))] = ""
    after: Annotated[
        str,
        Field(description="A date such as 2024, 2024-05 or 2024-05-01: taken or published from then on"),
        AfterValidator(_as("after")),
    ] = ""
    before: Annotated[str, Field(description="Until then"), AfterValidator(_as("before"))] = ""
    owner: Annotated[
        str, Field(max_length=150, description="Photos of this person"), AfterValidator(_as("by"))
    ] = ""
    type: Annotated[
        str, Field(description=f"Photos of this kind: {', '.join(TYPES)}"), AfterValidator(_as("type"))
    ] = ""
    colour: Annotated[str, Field(description="Photos in this colour"), AfterValidator(_as("colour"))] = ""
    language: Annotated[
        str,
        Field(max_length=35, description="Items in this language; en admits en-GB"),
        AfterValidator(_language),
    ] = ""

    def filters_by(self, attributes: Attributes) -> Filters:
        named = {name: getattr(self, name) for name in Narrowing.model_fields}
        return Filters(**named, attributes=attributes)


class RelatedQuery(Narrowing):
    limit: Limit
    kind: Kind | None = Field(None, description="asset: photos; item: what the site publishes; any: both")
    scenario: Scenario
    attributes: Annotated[
        str,
        Field(
            "",
            max_length=4000,
            description='Items with these, as JSON: {"section": "outdoors"}; of a list, one of it',
        ),
        AfterValidator(_attributes),
    ]
    exclude: str = Field(
        "",
        max_length=8000,
        description="What must not come, such as asset:3,item:a-walk; bare ids: what is asked for",
    )
    diversity: Diversity
    visitor: Visitor
    cursor: str | None = Field(None, description="`next` of the page before")
    key: str = Field("", description="The site's publishable key, where no header is sent")
    site: str = Field("", description="For a site's owner: whose items to show")

    def as_filters(self) -> Filters:
        return self.filters_by(_ATTRIBUTES.validate_json(self.attributes) if self.attributes else {})


class Named(Schema):
    """One thing: an item by its external id, or a photo by its id."""

    model_config = ConfigDict(extra="forbid")
    item: str | None = None
    asset: int | None = Field(None, ge=1, le=MAX_ID)


class ExampleIn(Named):
    text: str | None = Field(None, max_length=5000)
    weight: float = Field(1.0, ge=0.01, le=100)


class FiltersIn(Narrowing, extra="forbid"):
    attributes: Attributes = {}

    def as_filters(self) -> Filters:
        return self.filters_by(self.attributes)


class RelatedQuestion(Schema, extra="forbid"):
    """What to show more of, and less of."""

    text: str = Field("", max_length=5000)
    examples: list[ExampleIn] = Field([], max_length=_EXAMPLES_MAX)
    negatives: list[ExampleIn] = Field([], max_length=_EXAMPLES_MAX, description="What to show less of")
    kind: Kind = "any"
    filters: FiltersIn = FiltersIn()
    exclude: list[Named] = Field([], max_length=EXCLUDED_MAX)
    limit: Limit
    scenario: Scenario
    diversity: Diversity
    visitor: Visitor
    site: str = ""


QUESTION_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": RelatedQuestion.model_json_schema()},
            _MULTIPART: {
                "schema": {
                    "type": "object",
                    "properties": {
                        "question": {"type": "string", "description": "The same JSON"},
                        "picture": {"type": "string", "format": "binary"},
                    },
                }
            },
        },
    }
}


def read_question(request: HttpRequest) -> tuple[RelatedQuestion, Vector | None]:
    """The question, and the vector of a picture that came with it."""
    if request.content_type != _MULTIPART:
        return _question(request.body), None
    form, files = request.POST, request.FILES
    question = _question(str(form.get("question", "{}")).encode())
    file = files.get("picture")
    if file is None:
        return question, None
    picture = decode_transient(cast(IO[bytes], file), at_least_px=QUERY_PICTURE_PX)
    return question, pipeline.encode_query_image(picture)


def _question(raw: bytes) -> RelatedQuestion:
    try:
        return RelatedQuestion.model_validate(json.loads(raw))
    except ValidationError as error:
        first = error.errors()[0]
        field = str(next((part for part in first["loc"] if isinstance(part, str)), "question"))
        raise InvalidInput(f"{'.'.join(map(str, first['loc']))}: {first['msg']}.", field=field) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"The question is not JSON: {error}.", field="question") from error
