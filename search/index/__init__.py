"""Nearest vectors, by engines that all keep one Protocol (base) and pass one contract suite. No Django here."""
