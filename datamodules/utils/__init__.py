"""Helpers of the data modules: batches by size, checks and tables of samples."""
