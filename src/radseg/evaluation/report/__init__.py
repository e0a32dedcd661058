"""Results beside the paper's and beside each other."""
