"""Related content over HTTP, and the sites that show it."""

from ninja import Router

from recommender.api import alt, interactions, items, recommendations, related, rules, sites

router = Router()
for part in (related, sites, items, alt, interactions, recommendations, rules):
    router.add_router("", part.router)
