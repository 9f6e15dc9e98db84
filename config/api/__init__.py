"""The HTTP API, version 1: every room's router, mounted here and nowhere else."""

from ninja import NinjaAPI

import captioning.api
import library.api
import recommender.api
import search.api
import workers.api
from config.api import assets, problems
from config.api.documentation import Documentation

api = NinjaAPI(
    title="Sightline",
    version="1",
    description="Search photos by what they show. Errors are application/problem+json; long lists page by cursor.",
    docs=Documentation(),
    docs_url="/docs",
    openapi_url="/openapi.json",
)
problems.register(api)
for router in (
    assets.router,
    library.api.router,
    search.api.router,
    captioning.api.router,
    recommender.api.router,
    workers.api.router,
):
    api.add_router("", router)
