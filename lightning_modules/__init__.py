"""Training modules that join relgen's domain code to Lightning."""
