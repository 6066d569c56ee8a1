"""Language models that write drafts: in this process, or on a server.

Leaves out prompts (`relgen.prompting`) and what becomes of a draft (`relgen.generation.loop`).
"""
