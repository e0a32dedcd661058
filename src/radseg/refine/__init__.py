"""Refinement of coarse label maps with masks of a promptable segmenter (RADSeg §3.5, arXiv 2511.19704)."""
