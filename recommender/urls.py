"""Addresses of the recommender's pages."""

from django.urls import path

from recommender import views

urlpatterns = [path("assets/<int:asset_id>/related/", views.related, name="related-fragment")]
