"""Training, measuring and ablating the embedded miniature."""
