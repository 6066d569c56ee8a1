"""Holds the `relgen` command, one module for each subcommand.

Leaves out the work itself, and loads nothing heavy until a command runs.
"""
