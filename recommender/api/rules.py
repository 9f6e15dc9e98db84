"""An editor's rules for a site's recommendations."""

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Field, Router, Schema

from recommender import rules
from recommender.api import doors
from recommender.rules import RULES_MAX
from recommender.site_access import SiteAccess

router = Router(tags=["Recommendations"], auth=SiteAccess())


class RuleBody(Schema, extra="forbid"):
    """Of one item by its external_id, or of all with a tag."""

    effect: Literal["boost", "bury", "hide"]
    external_id: str = Field("", max_length=200)
    tag: str = Field("", max_length=64)
    strength: float = Field(
        1.0, ge=0, le=10, description="In standard deviations of the scores; hide has none"
    )
    from_at: datetime | None = None
    until_at: datetime | None = None


class RulesBody(Schema, extra="forbid"):
    """All rules of the site; those that are not named go."""

    rules: list[RuleBody] = Field(max_length=RULES_MAX)


@router.get("/sites/{site}/rules", response=RulesBody, summary="Rules of a site")
def read(request: HttpRequest, site: str) -> dict[str, Any]:
    """What is shown further up, further down, or never: with the site's secret key, as it is nothing for visitors."""
    return {"rules": list(rules.rules_of(doors.writer(request, site).site))}


@router.put("/sites/{site}/rules", response=RulesBody, summary="Replace the rules of a site")
def replace(request: HttpRequest, site: str, body: RulesBody) -> dict[str, Any]:
    """With the site's secret key. They hold from the next request on."""
    caller = doors.writer(request, site)
    return {"rules": rules.replace(caller.site, [rule.model_dump() for rule in body.rules])}
