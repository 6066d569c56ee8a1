"""Helpers of the Lightning modules: metrics, random state, processes and sharding."""
