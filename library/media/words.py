"""The words a file carries, whichever standard they were written in."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Words:
    title: str = ""
    description: str = ""
    keywords: tuple[str, ...] = ()
    taken_at: datetime | None = None

    def or_else(self, other: "Words") -> "Words":
        """Each part from here, or from `other` where it is empty here."""
        return Words(
            title=self.title or other.title,
            description=self.description or other.description,
            keywords=self.keywords or other.keywords,
            taken_at=self.taken_at or other.taken_at,
        )
