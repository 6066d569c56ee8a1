"""What `relgen.report` is made of: reading a run, findings, tables, charts, examples."""
