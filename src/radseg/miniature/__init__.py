"""The embedded miniature: a small world, a small RADIO trained in it, and its words."""
