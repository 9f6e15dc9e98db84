"""Zip files from strangers."""

import struct
import zipfile
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from core.errors import CorruptMedia, InvalidInput, TooLarge
from library.details import Details
from library.importers import archive
from library.importers.batch import Outcome
from library.importers.imports import import_archive
from library.models import Asset
from tests.library.conftest import files_in
from tests.library.pictures import picture, zipped

pytestmark = pytest.mark.django_db(transaction=True)


def imported(owner: User, content: bytes) -> list[Outcome]:
    return list(import_archive(owner, BytesIO(content), "trip.zip", Details()))


def test_the_pictures_of_a_zip_are_stored_each_with_its_own_answer(alice: User) -> None:
    content = zipped(
        {
            "a/one.jpg": picture(),
            "two.png": picture("PNG", seed=1),
            "notes.txt": b"no picture",
            "again.jpg": picture(),
        }
    )
    outcomes = imported(alice, content)
    assert [(outcome.name, outcome.status) for outcome in outcomes] == [
        ("trip.zip/a/one.jpg", "created"),
        ("trip.zip/two.png", "created"),
        ("trip.zip/notes.txt", "error"),
        ("trip.zip/again.jpg", "duplicate"),
    ]
    assert Asset.objects.get(pk=outcomes[0].asset.pk).original_name == "one.jpg"  # type: ignore[union-attr]


def test_what_macs_and_windows_add_by_themselves_is_passed_over(alice: User) -> None:
    content = zipped(
        {
            "one.jpg": picture(),
            "__MACOSX/._one.jpg": b"fork",
            ".DS_Store": b"x",
            "b/Thumbs.db": b"x",
            "dir/": b"",
        }
    )
    assert [outcome.status for outcome in imported(alice, content)] == ["created"]


@pytest.mark.parametrize(
    "name", ["../evil.jpg", "a/../../evil.jpg", "/etc/evil.jpg", "..\\evil.jpg", "C:\\evil.jpg", "C:evil.jpg"]
)
def test_a_path_that_leads_out_refuses_the_whole_archive(name: str, alice: User, media: Path) -> None:
    outcomes = imported(alice, zipped({"good.jpg": picture(), name: picture(seed=1)}))
    assert [type(outcome.error) for outcome in outcomes] == [InvalidInput]
    assert "leads out" in str(outcomes[0].error)
    assert files_in(media) == []


def test_a_thousandfold_ratio_refuses_the_whole_archive_before_unpacking(
    alice: User, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: object) -> None:
        raise AssertionError("unpacked")

    content = zipped({"good.jpg": picture(), "blank.bmp": b"\0" * 30_000_000})
    monkeypatch.setattr(zipfile.ZipFile, "open", never)
    outcomes = imported(alice, content)
    assert [type(outcome.error) for outcome in outcomes] == [TooLarge]
    assert files_in(media) == []


def test_entries_that_share_their_bytes_are_a_bomb_as_a_whole() -> None:
    content = zipped({"kernel.bmp": bytes(range(256)) * 20_000})
    with zipfile.ZipFile(BytesIO(content)) as kernel:
        info = kernel.infolist()[0]
    table_at = content.index(b"PK\x01\x02")
    end_at = content.index(b"PK\x05\x06")
    table = content[table_at:end_at] * 40
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 40, 40, len(table), table_at, 0)
    assert info.file_size / info.compress_size < 260
    quilt = archive.opened(BytesIO(content[:table_at] + table + end), "quilt.zip")
    with override_settings(ZIP_MAX_RATIO=300), pytest.raises(TooLarge, match="300 times"), quilt:
        pass


def test_a_zip_in_a_zip_refuses_the_whole_archive_whatever_its_name(alice: User, media: Path) -> None:
    outcomes = imported(alice, zipped({"good.jpg": picture(), "holiday.jpg": zipped({"x.jpg": picture()})}))
    assert [type(outcome.error) for outcome in outcomes] == [InvalidInput]
    assert "another zip" in str(outcomes[0].error)
    assert files_in(media) == []


def test_a_link_refuses_the_whole_archive(alice: User) -> None:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        link = zipfile.ZipInfo("link.jpg")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
    assert "link" in str(imported(alice, out.getvalue())[0].error)


@override_settings(ZIP_MAX_FILES=3)
def test_more_files_than_allowed_refuse_the_archive(alice: User) -> None:
    outcomes = imported(alice, zipped({f"{number}.jpg": b"x" for number in range(4)}))
    assert [type(outcome.error) for outcome in outcomes] == [TooLarge]


@override_settings(ZIP_MAX_FILES=3)
def test_a_table_of_contents_made_to_fill_memory_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    content = zipped({f"{number}{'x' * 1000}.jpg": b"x" for number in range(10)})

    def never(*args: object) -> None:
        raise AssertionError("the table was read")

    monkeypatch.setattr("zipfile.ZipFile", never)
    with pytest.raises(TooLarge), archive.opened(BytesIO(content), "wide.zip"):
        pass


def end_record(table_bytes: int, comment: bytes = b"", disks: bytes = b"\0" * 4) -> bytes:
    return b"PK\x05\x06" + disks + struct.pack("<HHIIH", 10, 10, table_bytes, 0, len(comment)) + comment


@pytest.mark.parametrize("comment", [b"", b"PK\x05\x06", b"a small record: " + end_record(0)])
@pytest.mark.parametrize("disks", [b"\0" * 4, b"PK\x05\x06"])
@override_settings(ZIP_MAX_FILES=3)
def test_no_second_end_record_hides_a_table_made_to_fill_memory(comment: bytes, disks: bytes) -> None:
    """The guard judges the record that zipfile reads, and never another."""
    content = zipped({f"{number}{'x' * 1000}.jpg": b"x" for number in range(10)})
    body, table_bytes = content[:-22], content.index(b"PK\x05\x06") - content.index(b"PK\x01\x02")
    crafted = body + end_record(table_bytes, comment, disks)
    read: list[int] = []

    class Watched(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            got = super().read(size)
            read.append(len(got) if got.startswith(b"PK\x01\x02") else 0)
            return got

    with suppress(TooLarge, CorruptMedia), archive.opened(Watched(crafted), "crafted.zip") as files:
        assert files == []
    assert max(read) < table_bytes, "the table was read"


@pytest.mark.parametrize("comment", [b"", b"taken in Brest", b"\0" * 22])
def test_an_archive_may_carry_a_comment(comment: bytes, alice: User) -> None:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("one.jpg", picture())
        file.comment = comment
    assert [outcome.status for outcome in imported(alice, out.getvalue())] == ["created"]


@override_settings(ZIP_MAX_BYTES=2000)
def test_an_archive_that_unpacks_to_more_than_allowed_is_refused(alice: User) -> None:
    outcomes = imported(alice, zipped({"a.jpg": b"x" * 1500, "b.jpg": b"y" * 1500}, zipfile.ZIP_STORED))
    assert [type(outcome.error) for outcome in outcomes] == [TooLarge]


@override_settings(UPLOAD_MAX_BYTES=5000)
def test_a_single_large_file_is_refused_by_itself(alice: User) -> None:
    content = zipped({"small.jpg": picture(), "large.jpg": b"\xff\xd8\xff" + bytes(6000)}, zipfile.ZIP_STORED)
    outcomes = imported(alice, content)
    assert [outcome.status for outcome in outcomes] == ["created", "error"]
    assert isinstance(outcomes[1].error, TooLarge)


def test_a_member_that_lies_about_its_size_is_cut_off_there(alice: User) -> None:
    content = bytearray(zipped({"liar.jpg": b"\xff\xd8\xff" + b"A" * 100_000}))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = content.index(signature) + offset
        content[at : at + 4] = (500).to_bytes(4, "little")
    outcomes = imported(alice, bytes(content))
    assert [type(outcome.error) for outcome in outcomes] == [CorruptMedia]


def test_a_damaged_member_does_not_stop_the_others(alice: User) -> None:
    content = bytearray(zipped({"a.jpg": picture(), "b.jpg": picture(seed=1)}, zipfile.ZIP_STORED))
    content[200] ^= 0xFF
    assert [outcome.status for outcome in imported(alice, bytes(content))] == ["error", "created"]


@pytest.mark.parametrize("cut", [30, -10])
def test_a_zip_that_was_cut_off_is_corrupt(cut: int, alice: User) -> None:
    outcomes = imported(alice, zipped({"a.jpg": picture()})[:cut])
    assert [type(outcome.error) for outcome in outcomes] == [CorruptMedia]


def test_an_encrypted_member_says_so(alice: User) -> None:
    content = bytearray(zipped({"secret.jpg": picture(), "open.jpg": picture(seed=1)}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    outcomes = imported(alice, bytes(content))
    assert [outcome.status for outcome in outcomes] == ["error", "created"]
    assert "password" in str(outcomes[0].error)


def test_an_empty_zip_says_so(alice: User) -> None:
    assert "no files" in str(imported(alice, zipped({}))[0].error)


def test_members_packed_with_memory_hungry_methods_are_refused_by_themselves(alice: User) -> None:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("lzma.jpg", picture(), zipfile.ZIP_LZMA)
        file.writestr("plain.jpg", picture(seed=1))
    outcomes = imported(alice, out.getvalue())
    assert [outcome.status for outcome in outcomes] == ["error", "created"]
    assert "unusual way" in str(outcomes[0].error)
