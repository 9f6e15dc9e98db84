"""Pictures of datasets are read as uploads are, and their features are kept: of these very pictures, computed once."""

import subprocess
import sys
import threading
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captioning.training import features
from captioning.training.alone import one_after_another
from captioning.training.features import cached_features, load_pixels
from captioning.vision.frames import Features
from captioning.vision.picture_files import read_picture
from captioning.vision.pixels import square_pixels
from core.errors import CorruptMedia
from library.media.decoding import decode_file

MAX_PIXELS = 10**6


def leaning() -> Image.Image:
    """Red above, blue below, green on the left: no turn and no mirror leaves it as it is."""
    picture = Image.new("RGB", (300, 400), "blue")
    picture.paste("red", (0, 0, 300, 200))
    picture.paste("lime", (0, 0, 60, 400))
    return picture


def with_exif(folder: Path) -> Path:
    exif = Image.Exif()
    exif[0x0112] = 6
    leaning().save(folder / "phone.jpg", quality=95, exif=exif)
    return folder / "phone.jpg"


def transparent(folder: Path) -> Path:
    picture = leaning().convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    picture.save(folder / "cut-out.png")
    return folder / "cut-out.png"


def deep(folder: Path) -> Path:
    ramp = np.linspace(0, 65535, 300 * 400).reshape(400, 300).astype(np.uint16)
    Image.fromarray(ramp).save(folder / "scan.png")
    return folder / "scan.png"


@pytest.mark.parametrize("make", [with_exif, transparent, deep])
def test_training_sees_what_production_sees(make: object, tmp_path: Path) -> None:
    path: Path = make(tmp_path)  # type: ignore[operator]
    uploaded = square_pixels(decode_file(BytesIO(path.read_bytes()), max_pixels=MAX_PIXELS))
    np.testing.assert_array_equal(load_pixels(path), uploaded)
    np.testing.assert_allclose(load_pixels(path, "mirror"), uploaded[:, ::-1], atol=2)
    np.testing.assert_array_equal(square_pixels(read_picture(path)), uploaded)


def test_a_picture_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 40)
    with pytest.raises(CorruptMedia, match=r"cut\.png can't be decoded"):
        read_picture(tmp_path / "cut.png")


def test_pictures_are_read_where_no_decoder_of_phones_is_installed(tmp_path: Path) -> None:
    path = transparent(tmp_path)
    told = (
        "import sys; sys.modules['pillow_heif'] = None\n"
        "from pathlib import Path; from captioning.vision.picture_files import read_picture\n"
        f"print(read_picture(Path({str(path)!r})).size)"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout == "(300, 400)\n"


@pytest.mark.models
def test_other_pictures_of_the_same_name_and_size_have_features_of_their_own(tmp_path: Path) -> None:
    path, cache = tmp_path / "a.bmp", tmp_path / "cache"
    Image.new("RGB", (300, 280), "red").save(path)
    red = cached_features([path], cache, progress=False)
    Image.new("RGB", (300, 280), "blue").save(path)
    blue = cached_features([path], cache, progress=False)
    assert not np.allclose(red.logits, blue.logits)


@pytest.mark.models
def test_two_trainings_at_once_compute_features_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / f"{colour}.png" for colour in ("red", "blue")]
    for path in paths:
        Image.new("RGB", (300, 280), path.stem).save(path)
    compute, computed = features._compute, []

    def slowly(*args: object, **options: object) -> None:
        computed.append(args)
        time.sleep(0.2)
        compute(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(features, "_compute", slowly)
    found: list[Features] = []
    ready = threading.Barrier(2)

    def train() -> None:
        ready.wait()
        found.append(cached_features(paths, tmp_path / "cache", progress=False))

    threads = [threading.Thread(target=train) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(computed) == 1
    np.testing.assert_array_equal(found[0].grid, found[1].grid)
    assert found[0].grid.any()


def test_who_waits_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = tmp_path / "new" / "lock"
    entered = threading.Event()

    def wait() -> None:
        with one_after_another(lock):
            entered.set()

    with one_after_another(lock):
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not entered.wait(0.2)
    waiting.join()
    assert entered.is_set()
    assert f"it holds {lock}" in capsys.readouterr().out
