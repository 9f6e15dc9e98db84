"""What search engines read of a public photo's page: an ImageObject of schema.org, as JSON-LD."""

import json
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from captioning.selectors import caption_of
from library.models import Asset
from library.renditions import CLEAN_COPY_TYPE
from library.selectors import (
    LIST_THUMBNAIL_PX,
    frames_of,
    is_hidden,
    original_url,
    tag_names,
    thumbnail_url,
)

#: So that no word of a caption can end the element that holds it.
_ESCAPES = {ord("<"): "\\u003C", ord(">"): "\\u003E", ord("&"): "\\u0026"}


def image_object(request: HttpRequest, asset: Asset) -> SafeString:
    """The element with the data; empty for a photo that is not public, or that lists leave out as unsafe."""
    if asset.visibility != Asset.Visibility.PUBLIC or is_hidden(asset):
        return mark_safe("")
    text = json.dumps(_data(request, asset), ensure_ascii=False).translate(_ESCAPES)
    return format_html(
        '<script type="application/ld+json">{}</script>',
        mark_safe(text),  # noqa: S308 - escaped above, as JSON has it
    )


def _data(request: HttpRequest, asset: Asset) -> dict[str, Any]:
    """What is known; the place where it was taken is not told, nor anything that is not known."""
    frame = frames_of(asset).first()
    caption = caption_of(frame) if frame is not None else None
    data = {
        "@context": "https://schema.org",
        "@type": "ImageObject",
        "@id": request.build_absolute_uri(reverse("asset", args=[asset.pk])),
        "contentUrl": request.build_absolute_uri(original_url(asset)),
        "thumbnailUrl": request.build_absolute_uri(thumbnail_url(asset, LIST_THUMBNAIL_PX)),
        "name": asset.title,
        "caption": caption.text if caption is not None else "",
        "description": asset.description,
        "keywords": tag_names(asset),
        "encodingFormat": CLEAN_COPY_TYPE,  # which a stranger gets at contentUrl
        "width": asset.width_px,
        "height": asset.height_px,
        "uploadDate": asset.created_at.isoformat(),
        "dateCreated": asset.taken_at.isoformat() if asset.taken_at else "",
    }
    return {name: value for name, value in data.items() if value}
