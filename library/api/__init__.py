"""API keys and safety over HTTP. Assets are composed of several rooms' rows, so their addresses are in config/api."""

from ninja import Router

from library.api import keys, safety

router = Router()
router.add_router("", keys.router)
router.add_router("", safety.router)
