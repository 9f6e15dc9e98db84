"""Photos as a page shows them: the picture, the sentence under it, and why it is here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from captioning.selectors import sentences_of
from core.ids import Prepared
from library.models import Asset, Frame
from library.selectors import visible_assets
from search.highlights import Piece, pieces
from search.keywords import Term, matched_words

#: The first frame comes last.
_FRAMES = Prepared(
    lambda ids: (
        Frame.objects.filter(asset_id__in=ids)
        .order_by("-number")
        .values_list("asset_id", "pk", "picture_text__text")
    )
)
#: What a ranking is called in front of people, in the order in which it is shown.
_LABELS = {"image": "Look", "caption": "Caption", "keyword": "Words", "reranker": "Second look"}


@dataclass(frozen=True)
class Reason:
    """How much of a match one ranking gave, in percent."""

    label: str
    percent: int


@dataclass(frozen=True)
class Card:
    """One photo in a grid. `caption` is empty until it has been described. matched: words that were looked for.

    because: why it is here, in words. picture_text: what is written in it, of which a search result shows what matched.
    """

    asset: Asset
    caption: str
    reasons: tuple[Reason, ...] = ()
    matched: frozenset[str] = frozenset()
    because: str = ""
    picture_text: str = ""

    @property
    def alt(self) -> str:
        return self.caption or self.asset.title or "A photo that is not described yet"

    @property
    def caption_pieces(self) -> tuple[Piece, ...]:
        """The caption, which begins with a capital letter, cut where matched words begin and end."""
        return pieces(self.caption[:1].upper() + self.caption[1:], self.matched)

    @property
    def matched_lines(self) -> list[tuple[Piece, ...]]:
        """The lines in the picture that hold matched words, cut where these begin and end."""
        lines = [pieces(line, self.matched) for line in self.picture_text.splitlines()]
        return [line for line in lines if any(piece.matched for piece in line)]

    @property
    def matched_words(self) -> list[str]:
        """Words that were looked for, wherever they stand: in caption, names, tags, description or picture."""
        return sorted(self.matched)

    @property
    def is_private(self) -> bool:
        return self.asset.visibility == Asset.Visibility.PRIVATE


class Matched(Protocol):
    """What search and recommender say of a match."""

    @property
    def asset_id(self) -> int: ...

    @property
    def why(self) -> Mapping[str, float]: ...


def cards_of(
    assets: Iterable[Asset],
    why: Mapping[int, Mapping[str, float]] | None = None,
    terms: Sequence[Term] = (),
) -> list[Card]:
    """One card per asset, in order, in a few queries however many there are. terms: words to show in the captions."""
    listed = list(assets)
    first_frames = _first_frames([asset.pk for asset in listed])
    sentences = sentences_of(frame_id for frame_id, _ in first_frames.values())
    matched = matched_words(first_frames, terms)
    cards = []
    for asset in listed:
        frame_id, picture_text = first_frames.get(asset.pk, (0, ""))
        sentence = sentences.get(frame_id)
        reasons = reasons_of((why or {}).get(asset.pk, {}))
        words = matched.get(asset.pk, frozenset())
        said = sentence.text if sentence else ""
        cards.append(Card(asset, said, reasons, words, picture_text=picture_text))
    return cards


def _first_frames(asset_ids: Sequence[int]) -> dict[int, tuple[int, str]]:
    """The frame that stands for each asset, and what is written in it; assets without frames yet are left out."""
    return {asset_id: (frame_id, text or "") for asset_id, frame_id, text in _FRAMES.rows(asset_ids)}


def cards_of_matches(
    viewer: AbstractBaseUser | AnonymousUser, matches: Sequence[Matched], terms: Sequence[Term] = ()
) -> list[Card]:
    """The matches that the viewer may see, best first; one that was deleted meanwhile is left out."""
    assets = visible_assets(viewer).in_bulk([match.asset_id for match in matches])
    shown = [assets[match.asset_id] for match in matches if match.asset_id in assets]
    return cards_of(shown, {match.asset_id: match.why for match in matches}, terms)


def reasons_of(why: Mapping[str, float]) -> tuple[Reason, ...]:
    """Each ranking's share of a match, without those that gave nothing."""
    given = {name: share for name, share in why.items() if share > 0}
    total = sum(given.values())
    ordered = sorted(given, key=lambda name: list(_LABELS).index(name) if name in _LABELS else len(_LABELS))
    return tuple(
        Reason(_LABELS.get(name, name.capitalize()), round(100 * given[name] / total)) for name in ordered
    )
