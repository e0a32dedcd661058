"""Labelled data as other tools keep it, one format a file: for `radseg import`. None of it is trusted."""
