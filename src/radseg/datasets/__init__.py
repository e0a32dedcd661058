"""Readers of labelled images: one file per dataset. No network, no scores."""
