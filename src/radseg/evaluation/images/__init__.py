"""Labelled images: a model over a set, resumable, and its result."""
