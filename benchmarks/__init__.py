"""Side-by-side measurements: `python -m benchmarks.NAME [--json OUT]`.

Each benchmark first shows that its sides compute the same, then measures them in turn (A B A B …),
every time in a process of its own, so that peak memory is that side's and no side warms up another.
"""
