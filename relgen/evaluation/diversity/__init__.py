"""Measures how different the samples of one relation are, as vectors and as text."""
