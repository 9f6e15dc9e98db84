"""What is kept of a reader's lines, and the reader that ships."""

import socket
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from captioning.vision.pixels import enlarged_pixels
from captioning.vision.text_reader import MAX_CHARS, Line, PictureText, RapidOcr, worth_keeping
from core.errors import ModelUnavailable
from library.media.embedded_text import clean_line


def test_only_lines_that_are_surely_there_are_kept() -> None:
    lines = [
        Line("CAFÉ\0BAR", 0.99),
        Line("leaves", 0.74),
        Line("  open \t late ", 0.8),
        Line("7", 1.0),
        Line("--!", 1.0),
    ]
    assert worth_keeping(lines) == PictureText("CAFÉ BAR\nopen late", 0.8)


def test_nothing_read_is_an_empty_text_without_a_confidence() -> None:
    assert worth_keeping([]) == worth_keeping([Line("blur", 0.2)]) == PictureText("", None)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=900), max_size=8))
def test_whatever_is_read_the_text_is_bounded_and_never_ends_in_half_a_word(texts: list[str]) -> None:
    kept = worth_keeping(Line(text, 1.0) for text in texts).text
    assert len(kept) <= MAX_CHARS
    whole = {word for text in texts for word in clean_line(text).split()}
    assert all(word in whole or len(word) == MAX_CHARS for word in kept.split())


def test_a_small_picture_is_enlarged_no_more_than_helps_and_a_large_one_shrunk() -> None:
    assert enlarged_pixels(Image.new("RGB", (200, 100)), 960, 2).shape == (200, 400, 3)
    assert enlarged_pixels(Image.new("RGB", (4000, 3000)), 960, 2).shape == (720, 960, 3)
    assert enlarged_pixels(Image.new("L", (5000, 1)), 960, 2).shape == (1, 960, 3)


def sign(text: str) -> Image.Image:
    picture = Image.new("RGB", (640, 360), (40, 90, 60))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((60, 100, 580, 240), fill="white")
    draw.text((90, 130), text, fill="black", font=ImageFont.load_default(size=64))
    return picture


@pytest.mark.models
def test_the_shipped_reader_reads_a_sign_and_asks_nobody_for_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the reader went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    reader = RapidOcr()
    read = worth_keeping(reader.read(np.asarray(sign("Harbour Road 42"))))
    assert read.text.split() == ["Harbour", "Road", "42"]
    assert read.confidence is not None
    assert read.confidence > 0.9
    assert worth_keeping(reader.read(np.full((300, 400, 3), 128, dtype=np.uint8))) == PictureText()
    assert reader.read(np.zeros((1, 960, 3), dtype=np.uint8)) == []


def test_without_its_weights_the_reader_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rapidocr")
    monkeypatch.setattr("core.packages.metadata.files", lambda name: [])
    with pytest.raises(ModelUnavailable, match="weights of the package rapidocr are not installed"):
        RapidOcr()
