"""Every address of the site. Each app brings its own; this page only says in which order."""

from importlib import util

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from config import health
from config.api import api

handler404 = "config.api.problems.not_found"
handler500 = "config.api.problems.failed"

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("admin/", admin.site.urls),
    path("api/v1/", api.urls),
]
for app in ("library", "search", "recommender"):
    if util.find_spec(f"{app}.urls"):
        urlpatterns.append(path("", include(f"{app}.urls")))
