"""Grammars of a sample's text: what a draft may look like, and decoding under it.

Leaves out reading and checking what was written (`relgen.generation.acceptance`).
"""
