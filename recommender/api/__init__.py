"""Related content over HTTP, and the sites that show it."""

from ninja import Router

from recommender.api import assets, interactions, items, recommendations, sites

router = Router()
for part in (assets, sites, items, interactions, recommendations):
    router.add_router("", part.router)
