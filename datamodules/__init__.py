"""LightningDataModules: chains of preference pairs for DPO, and samples for relation classifiers.

File formats and corpora are in `relgen.data`, encodings in `relgen.classifiers` and `relgen.dpo`.
"""
