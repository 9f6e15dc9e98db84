"""Every address of the site. Each room brings its own; this page only says in which order."""

from django.contrib import admin
from django.urls import include, path

from config import health
from config.api import api

handler404 = "config.api.problems.not_found"
handler500 = "config.api.problems.failed"

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("admin/", admin.site.urls),
    path("api/v1/", api.urls),
    path("", include("config.pages.urls")),
    path("", include("library.urls")),
    path("", include("captioning.urls")),
    path("", include("recommender.urls")),
]
