"""Related content over HTTP, and the sites that show it."""

from ninja import Router

from recommender.api import assets, interactions, items, recommendations, rules, sites

router = Router()
for part in (assets, sites, items, interactions, recommendations, rules):
    router.add_router("", part.router)
