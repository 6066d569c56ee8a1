"""Helpers of the Lightning modules: metrics, schedules, processes and sharding."""
