"""The HTTP API, version 1: every app's router, mounted here and nowhere else."""

from importlib import import_module, util

from ninja import NinjaAPI

from config.api import problems

api = NinjaAPI(
    title="Sightline",
    version="1",
    description="Search photos by what they show. Errors are application/problem+json; lists page by cursor.",
    docs_url="/docs",
    openapi_url="/openapi.json",
)
problems.register(api)
for module in ("config.api.assets", "library.api", "search.api", "recommender.api", "workers.api"):
    if util.find_spec(module):
        api.add_router("", import_module(module).router)
