"""Callbacks and loggers: what a training writes beside its checkpoints."""
