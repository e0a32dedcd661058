"""Durable runs: sources, names, the loop over images, its record and its reporter. Knows no model."""
