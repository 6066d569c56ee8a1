"""Generation: a language model writes samples, one by one (OBO) or all at once (AAO).

`settings` says what can be chosen, `run.generate` is the whole of it. Nothing is imported here, so
that `relgen --help` stays fast.
"""
