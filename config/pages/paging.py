"""Pages of a list that grows at its front: the next one begins below the last id, so nothing comes twice."""

from urllib.parse import urlencode

from django.http import HttpRequest

from core.errors import InvalidInput
from library.access import viewer_of
from library.models import Asset
from library.selectors import AssetFilters, asset_page

PAGE_SIZE = 40
_LONGEST_ID = 18  # digits that fit a column of 64 bits


def newest(request: HttpRequest, filters: AssetFilters) -> tuple[list[Asset], str]:
    """The newest assets below `?before=ID`, and the address of the next page, empty where there is none."""
    assets, before_id = asset_page(
        viewer_of(request), filters, before_id=_before(request.GET.get("before")), limit=PAGE_SIZE
    )
    return assets, f"{request.path}?{urlencode({'before': before_id})}" if before_id else ""


def _before(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_ID):
        raise InvalidInput("before must be the number of a photo.", field="before")
    return int(text)
