"""Readers of labelled images and RGB-D recordings: one file per dataset or layout. No network, no scores."""
