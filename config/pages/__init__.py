"""Pages that bring several rooms together: search, the photo page, my photos. Each works without JavaScript."""
