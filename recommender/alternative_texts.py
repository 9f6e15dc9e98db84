"""Alternative texts for pictures that a site's pages show, by their address."""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from captioning.alt_text import alt_text
from captioning.models import Caption
from captioning.selectors import caption_of
from core.errors import NotFound
from library.models import Asset
from recommender.models import Item, Site
from recommender.pictures import picture_for
from recommender.site_selectors import assets_shown_by
from search.query import has_control

_PHOTO = re.compile(r"/media/asset/(\d{1,18})/")
_ITEM_PICTURE = re.compile(r"/embed/pictures/([^/]+)/\d+$")


@dataclass(frozen=True)
class AlternativeText:
    """source: of the caption: model, human or imported. reviewed: a person wrote or accepted it."""

    text: str
    source: str
    reviewed: bool


def alternative_text(site: Site, url: str) -> AlternativeText:
    """NotFound for a picture that is not one of the site's, and for one that has not been described yet."""
    asset = _asset_at(site, url)
    frame = asset.frames.first() if asset is not None else None
    caption = caption_of(frame) if frame is not None else None
    text = alt_text(caption.text) if caption is not None else ""
    if caption is None or not text:
        raise NotFound("There is no description of this picture.")
    reviewed = caption.source != Caption.Source.MODEL or caption.state == Caption.State.ACCEPTED
    return AlternativeText(text, caption.source, reviewed)


def _asset_at(site: Site, url: str) -> Asset | None:
    if has_control(url):  # which no database looks for
        return None
    item = Item.objects.filter(site=site, image_url=url).exclude(asset=None).select_related("asset").first()
    if item is not None:
        return item.asset
    path = unquote(urlsplit(url).path)
    if found := _ITEM_PICTURE.search(path):
        return Asset.objects.filter(items__site=site, pk=picture_for(found[1]).pk).first()
    if found := _PHOTO.search(path):
        return assets_shown_by(site).filter(pk=int(found[1])).first()
    return None
