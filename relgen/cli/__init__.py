"""The `relgen` command, one module for each subcommand.

It does none of the work itself, and loads nothing heavy until a command runs.
"""
