"""Pictures for reviewers, who may be shown a stranger's private photo while they decide its caption."""

from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe

from captioning.review_leases import asset_before
from library.access import viewer_of
from library.files import thumbnail_of


@require_safe
def review_picture(request: HttpRequest, asset_id: int, width_px: int) -> HttpResponseBase:
    """A thumbnail of what the reviewer has before them; 404 for any other photo that they may not see."""
    return thumbnail_of(request, asset_before(viewer_of(request), asset_id), width_px)
