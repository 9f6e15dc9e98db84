"""Which thing: what pages show is an item of a site or a photo of the gallery."""

from typing import NamedTuple


class Ref(NamedTuple):
    """An item or an asset, by primary key."""

    is_item: bool
    pk: int

    def __str__(self) -> str:
        return f"{'item' if self.is_item else 'asset'}:{self.pk}"

    @property
    def code(self) -> int:
        """One number for either, for arrays: items above zero, photos below."""
        return self.pk if self.is_item else -self.pk

    @classmethod
    def of_code(cls, code: int) -> "Ref":
        """What a number stands for."""
        return cls(code > 0, abs(code))
