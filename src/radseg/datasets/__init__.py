"""Readers of data sets, pictures and RGB-D; one file per layout. Knows no network."""
