"""Pages of the library by itself: upload, API keys, accounts. Pages that need other rooms are in config/pages."""
