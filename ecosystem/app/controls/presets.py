"""Parameters under which a debate ends in consensus, in two camps, or in pieces.

Measured on the climate debate at the last step, medians over seeds 0 to 19 (`tests/statistical/test_presets.py`
holds them):

=================  ==========  =======  =====  ========  ==========  ================
preset             coalitions  largest  alone  variance  alignment   commonest division
                               share    share  of        inside /
                                               opinions  between
=================  ==========  =======  =====  ========  ==========  ================
the scenario's      3           .43      .07    .121      .08 / .01   7, 3, 3, 1
consensus           1          1.00      .00    .0005     .03 / -     14
bi-polarization     2           .71      .00    .096      .06 / -.01  10, 4
fragmentation       4           .21      .29    .087      .08 / .01   3, 3, 2, 2, 1, 1, 1, 1
=================  ==========  =======  =====  ========  ==========  ================

Consensus is DeGroot's: without homophily all weights are equal, and opinions meet at their mean whatever they were.
Bi-polarization is homophily with biased processing. On this debate two camps stand out without them too, but of 11 and
3 or 12 and 2, nearer in opinion (variance .052, the other parameters being equal) and aligned with each other (.006).
Bias drives opinions apart (.097 by bias alone, .054 by homophily alone); it takes both to set the camps against each
other (-.000 by bias alone, -.001 by homophily alone, -.006 by both). Fragmentation is bounded confidence with a
demanding threshold: with the mean alignment itself as the threshold there are 3 coalitions, of 9, 3 and 2.

How far a debate can go is up to its corpora. Five people who agree on little (climate-shock) meet by consensus, but
stay three together, the other two apart or with each other, under the other two. Where affinity is given only the
threshold matters: the highland tribes make three coalitions under all of them, mostly four under fragmentation.

References
----------
DeGroot (1974), JASA 69:118-121; Mäs & Flache (2013), PLoS ONE 8:e74516, and Banisch & Shamon (2025), SMR 54:187-236
(bi-polarization); Hegselmann & Krause (2002), JASSS 5(3)2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """Parameters that lead to a known outcome.

    Attributes
    ----------
    name : str
    sentence : str
        What comes of it, and why.
    parameters : mapping of str to parameter
        Those that differ from the scenario's own.
    """

    name: str
    sentence: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def holds(self, values: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
        """Return whether parameters, apart from the seed, are those of this preset on a scenario's own."""
        mine = {**own, **self.parameters}
        return all(values[name] == mine[name] for name in mine if name != "seed")


OWN = Preset("The scenario's own", "As the scenario was written.")

CONSENSUS = Preset(
    "Consensus",
    "All hear all alike and average what they hear: opinions meet, in one coalition.",
    {"kernel": "degroot", "homophily": 0.0, "bias": 0.0, "threshold": 0.0, "topic_duration": 1, "steps": 60},
)

POLARIZATION = Preset(
    "Bi-polarization",
    "Like hears like, and takes over what it agrees with: two camps, opposed.",
    {
        "kernel": "argument",
        "homophily": 25.0,
        "bias": 12.0,
        "threshold": 0.0,
        "memory_size": 200,
        "topic_duration": 1,
        "steps": 150,
    },
)

FRAGMENTATION = Preset(
    "Fragmentation",
    "Only opinions close by move each other: many small coalitions.",
    {
        "kernel": "hk",
        "confidence": 0.2,
        "threshold": 0.03,
        "threshold_rule": "mean",
        "topic_duration": 1,
        "steps": 60,
    },
)

PRESETS = (OWN, CONSENSUS, POLARIZATION, FRAGMENTATION)
"""In the order in which they are offered."""
