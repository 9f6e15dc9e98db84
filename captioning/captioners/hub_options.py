"""Which model of the hub captions, and how: the settings CAPTIONER_HUB_*, known without loading anything."""

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Any

from captioning.captioners.decoding import Decoding, name_of
from core.errors import ModelUnavailable

#: The dotted path that CAPTIONER holds for a model of the hub.
HUB_CAPTIONER = "captioning.captioners.hub.HubCaptioner"
DTYPES = ("auto", "float32", "bfloat16", "float16")
_MODEL_CHARS, _REVISION_CHARS = 50, 12


@dataclass(frozen=True)
class HubOptions:
    """A model id of the hub or a folder, and how it is run.

    revision: branch, tag or commit; for a folder only a label. prompt: None for the family's own. picture_px: longer
    side of the pictures that it is shown. download: whether weights that are not here may be fetched.
    """

    model: str | None = None
    revision: str | None = None
    dtype: str = "auto"
    device: str | None = None
    batch_size: int = 8
    prompt: str | None = None
    picture_px: int = 768
    download: bool = False

    @property
    def named(self) -> str:
        """The model; ModelUnavailable says which setting is missing."""
        if not self.model:
            raise ModelUnavailable(
                "CAPTIONER is a model of the hub, but CAPTIONER_HUB_MODEL does not say which: set it to an id such as "
                "Salesforce/blip-image-captioning-base, or to a folder in transformers' format."
            )
        return self.model

    def model_id(self, decoding: Decoding) -> str:
        """Names the model, its revision, what it is asked and shown, and the decoding, in at most 120 characters.

        A revision that moves, such as a branch, keeps its id: name a commit, and captions are told apart.
        """
        own = re.sub(r"[^\w.]+", "-", self.named.rstrip("/").rpartition("/")[2])[:_MODEL_CHARS]
        asked = (self.named, self.revision, self.prompt, self.picture_px)
        digest = hashlib.sha256(repr(asked).encode()).hexdigest()[:8]
        revision = f"@{self.revision[:_REVISION_CHARS]}" if self.revision else ""
        return f"hub-{own}{revision}-{digest}-{name_of(hub_arguments(decoding))}"


def hub_arguments(decoding: Decoding) -> dict[str, Any]:
    """Arguments of `generate` for models that bring no decoding of ours: greedy unless chosen otherwise, not judged."""
    return replace(decoding, match_weight=None).over({"num_beams": 1})
