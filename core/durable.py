"""What outlasts a power cut."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Onto the disk itself: what is in a file; of a folder, the names of its new files."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
