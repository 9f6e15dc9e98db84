"""What may be asked for related things: in an address, or in a body with or without a picture."""

import json
from typing import IO, Annotated, Literal, cast

from django.http import HttpRequest
from ninja import Field, Schema
from pydantic import ConfigDict, ValidationError

from core.errors import InvalidInput
from library.transient import decode_transient
from recommender.scoring.relatedness import Vector
from search.query import MAX_LIMIT
from workers import pipeline

EXCLUDED_MAX = 500
_MULTIPART = "multipart/form-data"
_EXAMPLES_MAX = 20
_QUERY_PICTURE_PX = 260

Kind = Literal["asset", "item", "any"]
Scenario = Annotated[str, Field("", max_length=64, description="Your name for the place on the page")]
Limit = Annotated[int, Field(12, ge=1, le=MAX_LIMIT)]
Diversity = Annotated[
    float | None,
    Field(None, ge=0, le=1, description="Variety against likeness; the site's setting if absent"),
]


class RelatedQuery(Schema):
    limit: Limit
    kind: Kind | None = Field(None, description="asset: photos; item: what the site publishes; any: both")
    scenario: Scenario
    tag: str = Field("", max_length=64)
    language: str = Field("", max_length=35)
    exclude: str = Field(
        "",
        max_length=8000,
        description="What must not come, such as asset:3,item:a-walk; bare ids: what is asked for",
    )
    diversity: Diversity
    cursor: str | None = Field(None, description="`next` of the page before")
    key: str = Field("", description="The site's publishable key, where no header is sent")
    site: str = Field("", description="For a site's owner: whose items to show")


class Named(Schema):
    """One thing: an item by its external id, or a photo by its id."""

    model_config = ConfigDict(extra="forbid")
    item: str | None = None
    asset: int | None = None


class ExampleIn(Named):
    text: str | None = Field(None, max_length=5000)
    weight: float = Field(1.0, ge=0.01, le=100)


class FiltersIn(Schema, extra="forbid"):
    tag: Annotated[str, Field(max_length=64)] = ""
    language: Annotated[str, Field(max_length=35)] = ""
    attributes: dict[str, str | int | float | bool] = {}


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
    picture = decode_transient(cast(IO[bytes], file), at_least_px=_QUERY_PICTURE_PX)
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
