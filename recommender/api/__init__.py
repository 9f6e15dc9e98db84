"""Related content over HTTP, and the sites that show it."""

from ninja import Router

from recommender.api import alt, items, related, sites

router = Router()
for part in (related, sites, items, alt):
    router.add_router("", part.router)
