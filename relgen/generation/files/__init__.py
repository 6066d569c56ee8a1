"""Files of a generation: its journal, its outputs, and the merging of its shards.

Leaves out samples and schemas as such (`relgen.data`).
"""
