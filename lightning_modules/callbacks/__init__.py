"""Callbacks and loggers: files, curves and pictures that training writes."""
