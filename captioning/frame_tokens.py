"""What a camera sends back to be asked "has anything changed?": its last frame's fingerprint, signed.

So no server remembers a frame: any web process can compare. The token holds nothing of the person who got it.
"""

import base64
import binascii

from django.core import signing

from captioning.vision.scene import is_fingerprint
from core.errors import InvalidInput

_SALT = "captioning.frame"
_MAX_CHARS = 300


def written(fingerprint: bytes) -> str:
    """An opaque token, some 170 characters of ASCII."""
    payload = base64.urlsafe_b64encode(fingerprint).decode("ascii").rstrip("=")
    return signing.Signer(salt=_SALT).sign(payload)


def read(token: str | None) -> bytes | None:
    """The fingerprint in a token that `written` made, None for no token; InvalidInput for anything else."""
    if not token:
        return None
    try:
        if len(token) > _MAX_CHARS:
            raise signing.BadSignature
        payload = signing.Signer(salt=_SALT).unsign(token)
        fingerprint = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        if not is_fingerprint(fingerprint):
            raise signing.BadSignature
    except (signing.BadSignature, binascii.Error, ValueError) as error:
        raise InvalidInput(
            "frame is not a token that was given out with a caption; leave it out to start anew.",
            field="frame",
        ) from error
    return fingerprint
