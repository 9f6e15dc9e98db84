"""Alternative texts for pictures that a site's pages show, by their address."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from django.conf import settings

from captioning.alt_text import alt_text
from captioning.models import Caption
from captioning.selectors import caption_of
from core.errors import NotFound
from core.outbound import parts_of_address
from core.texts import has_control
from library.models import Asset
from recommender.models import Item, Site
from recommender.pictures import picture_for
from recommender.site_selectors import assets_shown_by

_PHOTO = re.compile(r"/media/asset/(\d{1,18})/(?:thumbnail/\d+|original)$")
#: A file that is named by its content, as many stores of pictures do.
_NAMED_BY_CONTENT = re.compile(r"(?:^|[/_-])([0-9a-fA-F]{64})(?:\.\w{2,5})?$")
_ITEM_PICTURE = re.compile(r"/embed/pictures/([^/]+)/\d+$")


@dataclass(frozen=True)
class AlternativeText:
    """source: of the caption: model, human or imported. reviewed: a person wrote or accepted it."""

    text: str
    source: str
    reviewed: bool


def alternative_text(site: Site, url: str, our_host: str = "") -> AlternativeText:
    """NotFound for a picture that the site may not show, and for one that has not been described yet.

    Pictures of the site's items are known by the address that the site gave; these and public photos of the library
    by our own addresses, and by the SHA-256 of the file where an address ends in it. our_host: as the caller names us.
    """
    asset = _asset_at(site, url, our_host)
    frame = asset.frames.first() if asset is not None else None
    caption = caption_of(frame) if frame is not None else None
    text = alt_text(caption.text) if caption is not None else ""
    if caption is None or not text:
        raise NotFound("There is no description of this picture.")
    reviewed = caption.source != Caption.Source.MODEL or caption.state == Caption.State.ACCEPTED
    return AlternativeText(text, caption.source, reviewed)


def _asset_at(site: Site, url: str, our_host: str) -> Asset | None:
    if has_control(url):  # which no database looks for
        return None
    item = Item.objects.filter(site=site, image_url=url).exclude(asset=None).select_related("asset").first()
    if item is not None:
        return item.asset
    host, path = _parts(url)
    pictures = Asset.objects.filter(items__site=site)
    if found := _ITEM_PICTURE.search(path):
        return pictures.filter(pk=picture_for(found[1]).pk).first()
    # Photos have numbers, and another service may number its own in the same way.
    if (found := _PHOTO.search(path)) and _is_ours(host, our_host):
        return assets_shown_by(site).filter(pk=int(found[1])).first()
    if found := _NAMED_BY_CONTENT.search(path):
        of_content = {"sha256": found[1].lower()}
        return pictures.filter(**of_content).first() or assets_shown_by(site).filter(**of_content).first()
    return None


def _parts(url: str) -> tuple[str, str]:
    """Host and path; a host that can't be read is none of ours."""
    parts = parts_of_address(url)
    return ("", "") if parts is None else (parts.hostname or "", unquote(parts.path))


def _is_ours(host: str, our_host: str) -> bool:
    """An address without host is one that we gave out."""
    return not host or host == our_host.lower().rsplit(":", 1)[0] or host in _named_hosts()


def _named_hosts() -> set[str]:
    """Names under which this service is known; patterns name nobody."""
    return {host.lower() for host in settings.ALLOWED_HOSTS if not host.startswith(("*", "."))}
