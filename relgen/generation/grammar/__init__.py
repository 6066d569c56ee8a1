"""Grammars of drafts, in several notations, and decoding under them.

Checks of finished texts belong to `relgen.generation.acceptance`.
"""
