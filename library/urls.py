"""Addresses of the library: files, upload, API keys, accounts."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from library import files
from library.views import accounts, api_keys, uploads

urlpatterns = [
    path("media/asset/<int:asset_id>/thumbnail/<int:width_px>", files.thumbnail, name="asset-thumbnail"),
    path("media/asset/<int:asset_id>/original", files.original, name="asset-original"),
    path("upload/", uploads.upload, name="upload"),
    path("account/keys/", api_keys.api_keys, name="api-keys"),
    path("account/keys/<int:key_id>/revoke/", api_keys.revoke_api_key, name="api-key-revoke"),
    path("account/logout/", LogoutView.as_view(), name="logout"),
    path("account/register/", accounts.SignUp.as_view(), name="register"),
]
