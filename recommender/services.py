"""Photos to show beside a photo."""

from library.models import Asset
from library.selectors import Viewer
from recommender.scoring.duplicates import without_copies
from recommender.selectors import contents_of
from search.fusion import Fused
from search.selectors import vectors_of_asset
from search.services import Question, SearchPage, active_models, answer

DEFAULT_LIMIT = 12


def related_assets(
    viewer: Viewer, asset: Asset, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> SearchPage:
    """Photos like this one in what they show and in how they look, best first, of those the viewer may see.

    Without itself, without other copies of the same bytes (another owner's), and without a second copy of
    anything else. None where the photo has not been described yet: there is nothing yet to be like.
    """

    def refine(ranked: list[Fused]) -> list[Fused]:
        contents = contents_of([one.asset_id for one in ranked])
        return without_copies(ranked, contents, shown={asset.sha256})

    models = active_models()
    question = Question("related", f"related:{asset.pk}", vectors_of_asset(asset, models), models=models)
    return answer(viewer, question, limit=limit, cursor=cursor, refine=refine)
