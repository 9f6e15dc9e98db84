"""Everything about picture files that needs no Django: what they are, what they show, what they say of themselves."""
