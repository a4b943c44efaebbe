"""What came of a run, as sentences computed from its tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecosystem.record.reader import RunTables
from ecosystem.report.prose import Name, Sentence, count, listed, name, sentence, signed, times


@dataclass(frozen=True)
class Cast:
    """Names of what tables refer to by key.

    Attributes
    ----------
    agents, topics : dict of str to Name
        Persona names and topic titles, by key.
    """

    agents: dict[str, Name]
    topics: dict[str, Name]

    @classmethod
    def of(cls, run: RunTables) -> Cast:
        """Take the names from the scenario of a run."""
        personas, topics = run.scenario.personas, run.scenario.topics
        return cls(
            {key: name(persona.name) for key, persona in personas.items()},
            {topic.id: name(topic.title or topic.id) for topic in topics},
        )

    def who(self, keys: Sequence[str], limit: int = 5) -> Sentence:
        """Return agents as a list in words."""
        return listed([self.agents[key] for key in keys], limit)


@dataclass(frozen=True)
class Standing:
    """A coalition at the end of a run; alignments are means over pairs, NaN where there is no pair."""

    label: int
    members: tuple[Name, ...]
    since: int
    inside: float
    outside: float


@dataclass(frozen=True)
class Paths:
    """Alignment over the run: ``weights[step, pair]``, with the steps and pairs it is for."""

    steps: NDArray[np.int64]
    pairs: list[tuple[str, str]]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, run: RunTables) -> Paths:
        """Arrange the alignment table, which has the same pairs in the same order at every step."""
        table = run.alignment
        steps = np.unique(table["step"].to_numpy())
        weights = table["weight"].to_numpy(np.float64).reshape(len(steps), -1)
        first = table.iloc[: weights.shape[1]]
        return cls(steps, list(zip(first["source"], first["target"], strict=True)), weights)


def final_blocks(run: RunTables) -> tuple[dict[int, list[str]], list[str]]:
    """Return the members of each coalition at the end, the largest first, and the agents alone but present."""
    table = run.memberships
    last = table[(table["step"] == table["step"].max()) & table["present"].ne(False)]
    blocks: dict[int, list[str]] = {}
    alone: list[str] = []
    for agent, coalition in zip(last["agent"], last["coalition"], strict=True):
        if coalition < 0:
            alone.append(agent)
        else:
            blocks.setdefault(int(coalition), []).append(agent)
    return dict(sorted(blocks.items(), key=lambda item: (-len(item[1]), item[0]))), alone


def final_coalitions(run: RunTables, cast: Cast) -> tuple[Standing, ...]:
    """Return the coalitions that stand at the end, with how aligned they are within and with the rest."""
    blocks, _ = final_blocks(run)
    paths = Paths.of(run)
    of = {agent: label for label, members in blocks.items() for agent in members}
    sides = np.array([[of.get(a, -1), of.get(b, -1)] for a, b in paths.pairs]).reshape(-1, 2)
    table = run.memberships
    standing = []
    for label, members in blocks.items():
        mine = (sides == label).sum(1)
        inside, outside = (paths.weights[-1][mine == both] for both in (2, 1))
        standing.append(
            Standing(
                label,
                tuple(cast.agents[agent] for agent in members),
                int(table["step"].to_numpy()[table["coalition"].to_numpy() == label].min()),
                float(inside.mean()) if len(inside) else float("nan"),
                float(outside.mean()) if len(outside) else float("nan"),
            )
        )
    return tuple(standing)


def summarise(run: RunTables, cast: Cast) -> tuple[Sentence, ...]:
    """Return the run in a few sentences: its size, its coalitions, its events, its largest shifts."""
    debated, agenda = run.metrics["topic"].nunique(), len(cast.topics)
    topics = count(agenda, "topic") if debated == agenda else f"{debated:,} of {count(agenda, 'topic')}"
    size = sentence(
        f"{count(len(cast.agents), 'agent')} regrouped for {count(len(run.metrics), 'step')} on the affinity that the "
        "scenario gives; nothing was said."
        if run.scenario.affinity is not None
        else f"{count(len(cast.agents), 'agent')} argued over {topics} for {count(len(run.metrics), 'step')} and "
        f"made {count(len(run.utterances), 'utterance')}."
    )
    return (size, _end(run, cast), _tally(run), *_shifts(Paths.of(run), cast))


def _end(run: RunTables, cast: Cast) -> Sentence:
    blocks, alone = final_blocks(run)
    if not blocks:
        every = "every agent" if alone else "no agent was left"
        words = sentence(f"At the end there was no coalition: {every}{' stood alone' * bool(alone)}.")
        return sentence(words, _absence(run, cast))
    coalitions = [
        sentence(f"coalition {label} of {count(len(members), 'agent')} (", cast.who(members, 12), ")")
        for label, members in blocks.items()
    ]
    words = sentence(
        f"At the end there {'was' if len(blocks) == 1 else 'were'} {count(len(blocks), 'coalition')}: ",
        listed(coalitions),
        ".",
    )
    lone = sentence(" ", cast.who(alone, 12), " stood alone.") if alone else ()
    return sentence(words, lone, _absence(run, cast))


def _absent(run: RunTables) -> list[str]:
    """Return who takes no part at the end."""
    table = run.memberships
    return list(table["agent"][(table["step"] == table["step"].max()) & table["present"].eq(False)])


def _absence(run: RunTables, cast: Cast) -> Sentence:
    absent = _absent(run)
    if not absent:
        return ()
    return sentence(" ", cast.who(absent, 12), f" {'was' if len(absent) == 1 else 'were'} absent.")


def _tally(run: RunTables) -> Sentence:
    kinds = Counter(run.events["event"])
    if not kinds:
        return sentence("No coalition formed or changed during the run.")
    verbs = {"form": "formed", "merge": "merged", "split": "split", "dissolve": "dissolved"}
    wide = [f"{verb} {times(kinds[kind])}" for kind, verb in verbs.items() if kinds[kind]]
    single = [
        f"{verb} {{}} {times(kinds[kind])}" for kind, verb in (("join", "joined"), ("leave", "left")) if kinds[kind]
    ]
    single = [words.format("one" if k else "a coalition") for k, words in enumerate(single)]
    halves = [f"coalitions {''.join(listed(wide))}"] * bool(wide)
    halves += [f"single agents {''.join(listed(single))}"] * bool(single)
    return sentence(f"Along the way {'; '.join(halves)}.")


def _shifts(paths: Paths, cast: Cast) -> list[Sentence]:
    """Return the largest swings of alignment and the pairs closest and furthest apart at the end."""
    told = []
    shifts = [_shift(paths, cast, "rise", +1), _shift(paths, cast, "fall", -1)]
    swings = [swing for swing in shifts if swing]
    if swings:
        told.append(sentence("The largest ", swings[0], *(("; the largest ", *swing) for swing in swings[1:]), "."))
    last = paths.weights[-1]
    most, least = int(last.argmax()), int(last.argmin())
    if most == least:
        one, other = (cast.agents[key] for key in paths.pairs[most])
        return [*told, sentence("At the end the alignment of ", one, " and ", other, f" was {signed(last[most])}.")]
    (a, b), (c, d) = (tuple(cast.agents[key] for key in paths.pairs[k]) for k in (most, least))
    apart = "most opposed" if last[least] < 0 else "least aligned"
    told.append(
        sentence(
            *("At the end ", a, " and ", b, f" were the most aligned pair ({signed(last[most])}), "),
            *(c, " and ", d, f" the {apart} ({signed(last[least])})."),
        )
    )
    return told


def _shift(paths: Paths, cast: Cast, word: str, direction: int) -> Sentence:
    heights = direction * paths.weights
    climbs = heights - np.minimum.accumulate(heights, axis=0)
    end, pair = np.unravel_index(int(climbs.argmax()), climbs.shape)
    if climbs[end, pair] < 0.005:
        return ()
    start = int(heights[: end + 1, pair].argmin())
    one, other = (cast.agents[key] for key in paths.pairs[pair])
    ends = " to ".join(f"{signed(paths.weights[at, pair])} at step {paths.steps[at]}" for at in (start, end))
    if len(paths.pairs) == 1:
        return sentence(f"{word} in alignment was from {ends}")
    return sentence(f"{word} in alignment was between ", one, " and ", other, f", from {ends}")
