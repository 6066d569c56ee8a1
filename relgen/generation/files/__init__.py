"""Files of a generation: journal, outputs, and shards.

Samples and schemas as such belong to `relgen.data`.
"""
