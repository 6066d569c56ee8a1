"""Counts how often the intervals of several runs support the expectations of the method."""

from __future__ import annotations

from dataclasses import dataclass, field

from relgen.experiments import METHOD
from relgen.reporting.comparison import Against, Runs, intervals

# an expectation, from the paper or common sense; the comparison that tests it; the arms whose
# differences it expects above zero (1) or below (-1)
CLAIMS: tuple[tuple[str, Against, tuple[str, ...], int], ...] = (
    ("Human and generated samples beat human ones", "against_human", (f"{METHOD}_mix",), 1),
    ("Generated samples alone beat human ones", "against_human", (f"{METHOD}_pure",), 1),
    ("DPO helps", "against_no_dpo", (f"{METHOD}_mix", f"{METHOD}_pure"), 1),
    ("One by one beats all at once", "against_method", ("aao_dpo_mix", "aao_dpo_pure"), -1),
    ("The diversity instruction helps", "against_method", (f"{METHOD}_plain_mix",), -1),
    ("A window of demonstrations hurts", "against_method", (f"{METHOD}_window_mix",), -1),
    ("The method beats Xu et al. 2023", "against_method", ("xu2023", "xu2023_mix"), -1),
)


@dataclass
class Verdict:
    """The comparisons that support a claim and that contradict it, and the number of open ones."""

    claim: str
    support: list[str] = field(default_factory=list)
    contradict: list[str] = field(default_factory=list)
    open: int = 0


def verdicts(runs: Runs) -> list[Verdict]:
    """Return a verdict on each claim that the runs test.

    A comparison is open unless zero is outside both intervals. If runs share stages, and so a
    comparison, it counts once. Comparisons of one seed do not count.
    """
    found = []
    for claim, against, arms, sign in CLAIMS:
        verdict, seen = Verdict(claim), set()
        for label, run in runs.items():
            for row in run.results.get(against, []):
                key = run.corpus, run.shots, row["arm"], row["than"], row["classifier"]
                ends = [sign * end for pair in intervals(row) for end in pair]
                same = (*key, row["mean"], *ends)
                if row["arm"] not in arms or row["n_seeds"] < 2 or same in seen:
                    continue
                seen.add(same)
                where = f"{row['arm']} with {row['classifier']} in {label}"
                if min(ends) > 0:
                    verdict.support.append(where)
                elif max(ends) < 0:
                    verdict.contradict.append(where)
                else:
                    verdict.open += 1
        if seen:
            found.append(verdict)
    return found
