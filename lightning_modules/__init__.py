"""LightningModules that train by DPO and train relation classifiers, with their callbacks.

Losses, models and kernels are in `relgen`, data in `datamodules`; neither imports this package.
"""
