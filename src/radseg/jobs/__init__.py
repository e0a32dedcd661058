"""Durable runs: sources, names, the loop over images, its record and who is told. Knows no model."""
