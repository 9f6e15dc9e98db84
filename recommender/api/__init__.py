"""Related content over HTTP, and the sites that show it."""

from ninja import Router

from recommender.api import assets, items, sites

router = Router()
for part in (assets, sites, items):
    router.add_router("", part.router)
