"""Related content over HTTP, and the sites that show it."""

from ninja import Router

from recommender.api import interactions, items, recommendations, related, rules, sites

router = Router()
for part in (related, sites, items, interactions, recommendations, rules):
    router.add_router("", part.router)
