"""Related content over HTTP, and the sites that show it."""

from ninja import Router

from recommender.api import items, related, sites

router = Router()
for part in (related, sites, items):
    router.add_router("", part.router)
