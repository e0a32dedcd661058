"""Evaluation on labelled images: protocols as data, the run over a dataset, and its result."""
