"""When a camera's picture counts as unchanged, and the token that carries the last one."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from captioning import frame_tokens
from captioning.vision.scene import LENGTH_BYTES, fingerprint, same_scene
from core.errors import InvalidInput


def room(*, visitor: bool = False, door: str = "brown") -> Image.Image:
    """A wall, a floor, a door and a window, as a fixed camera sees them."""
    picture = Image.new("RGB", (640, 480), (200, 195, 180))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 330, 640, 480), fill=(110, 90, 70))
    draw.rectangle((420, 120, 540, 330), fill=door)
    draw.rectangle((80, 80, 240, 200), fill=(150, 190, 230))
    if visitor:
        draw.ellipse((300, 200, 330, 230), fill=(220, 170, 140))
        draw.rectangle((292, 230, 338, 340), fill=(30, 30, 60))
    return picture


def noisy(picture: Image.Image, seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).normal(0, 8.0, (*picture.size[::-1], 3))
    return Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))


def as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    file = BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file)


@pytest.mark.parametrize(
    "again",
    [
        noisy(room(), 2),
        as_jpeg(room(), 30),
        room().resize((320, 240)),
        ImageEnhance.Brightness(room()).enhance(0.95),
    ],
    ids=["noise", "compressed", "smaller", "darker"],
)
def test_the_same_scene(again: Image.Image) -> None:
    assert same_scene(fingerprint(noisy(room(), 1)), fingerprint(again))


def test_a_dark_room_is_the_same_whatever_its_noise() -> None:
    dark = Image.new("RGB", (640, 480), (6, 6, 8))
    assert same_scene(fingerprint(noisy(dark, 1)), fingerprint(noisy(dark, 2)))


@pytest.mark.parametrize(
    "changed",
    [
        room(visitor=True),
        room(door="darkgreen"),
        room().transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        room().crop((60, 0, 640, 480)),
        ImageEnhance.Brightness(room()).enhance(0.5),
    ],
    ids=["a visitor", "another colour", "mirrored", "turned aside", "light off"],
)
def test_another_scene(changed: Image.Image) -> None:
    assert not same_scene(fingerprint(room()), fingerprint(changed))


def test_a_token_gives_back_what_was_put_in_and_is_small() -> None:
    data = fingerprint(room())
    token = frame_tokens.written(data)
    assert len(data) == LENGTH_BYTES
    assert len(token) < 200
    assert token.isascii()
    assert frame_tokens.read(token) == data
    assert frame_tokens.read(None) is None
    assert frame_tokens.read("") is None


@pytest.mark.parametrize("wrong", ["x", "a:b", "☃", "\ud800", "\x00", "a" * 5000, ":" * 200])
def test_what_was_never_given_out_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        frame_tokens.read(wrong)
    assert caught.value.field == "frame"


def test_a_token_that_was_changed_or_signed_for_something_else_is_refused() -> None:
    from django.core import signing

    token = frame_tokens.written(fingerprint(room()))
    changed = ("B" if token[5] != "B" else "C").join([token[:5], token[6:]])
    elsewhere = signing.Signer(salt="another").sign(token.rpartition(":")[0])
    older = signing.Signer(salt=frame_tokens._SALT).sign("AAAA")
    for wrong in (changed, elsewhere, older):
        with pytest.raises(InvalidInput):
            frame_tokens.read(wrong)
