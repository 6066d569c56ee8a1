"""relgen: diverse and correct training data for relation extraction.

Importing this package loads nothing heavy; torch, transformers and Lightning wait until a command
or a function needs them.
"""

__version__ = "0.1.0"
