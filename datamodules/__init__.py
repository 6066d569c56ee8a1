"""LightningDataModules over relgen's files."""
