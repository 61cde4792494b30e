"""Experiments that need more than one run of the pipeline: several dialects, several seeds, one table."""
