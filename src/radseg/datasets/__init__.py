"""Readers of labelled images and of RGB-D recordings: one file per dataset or layout. No network, no scores."""
