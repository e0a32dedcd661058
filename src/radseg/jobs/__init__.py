"""Durable runs: sources, names, manifest, atomic writing, progress. Knows no model."""
