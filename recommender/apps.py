"""The app of sites, what is related on their pages, and what their visitors are recommended."""

from django.apps import AppConfig


class RecommenderConfig(AppConfig):
    name = "recommender"
    verbose_name = "Sites and recommendations"
