"""Stories that a venue could tell: what is asked of it and what it reports, in the order in which it happened."""

from dataclasses import dataclass, field
from random import Random

from tercet.messages import Cancel, Child, Happening, OrderState, Replace, Report

Message = Child | Cancel | Replace | Report | str  # a str is a time-out of the wish with this id


@dataclass
class Story:
    """One order at the venue. `left` counts what was executed, busted or not: that does not come back to its book."""

    rng: Random
    child: Child
    time_outs: bool = False
    told: list[Message] = field(default_factory=list)
    waiting: list[Cancel | Replace] = field(default_factory=list)
    withdrawn: set[str] = field(default_factory=set)  # ids with a cancel asked: no replace is sent after one
    executions: list[Report] = field(default_factory=list)
    ended: bool = False
    accepted: bool = False
    timed_out: bool = False
    clock: int = 0
    executed: int = 0
    wishes: int = 0

    def __post_init__(self) -> None:
        self.id, self.lots = self.child.id, self.child.lots
        self.ask(self.child)

    def ask(self, wish: Child | Cancel | Replace) -> None:
        """A wish goes out; nobody may answer in time."""
        self.told.append(wish)
        if self.time_outs and self.rng.random() < 0.3:
            self.told.append(wish.id)
            self.timed_out = True

    def report(self, happening: Happening, order: str | None = None, **facts: object) -> Report:
        """The venue says something."""
        self.clock += self.rng.randrange(3)
        child = self.child
        report = Report(
            exec_id=f"{child.id}/{len(self.told):02d}{self.rng.randrange(10)}",
            order=order or self.id,
            happening=happening,
            time=self.clock,
            symbol=child.symbol,
            account=child.account,
            side=child.side,
            strategy="by hand",
            **facts,  # type: ignore[arg-type]
        )
        self.told.append(report)
        return report

    def trade(self, lots: int) -> dict[str, object]:
        """Facts of an execution, exact in binary, so that sums do not depend on their order."""
        return {"lots": lots, "price": self.rng.randrange(800, 960) / 8, "fee": self.rng.randrange(-8, 32) / 16}

    def accept(self) -> None:
        """Once, at any time."""
        if not self.accepted and not self.ended:
            self.accepted = True
            self.report(Happening.ACCEPTED)

    def fill(self) -> None:
        """Part of what is left or all; now and then too late or too much."""
        left = max(self.lots - self.executed, 0)
        if self.ended or self.rng.random() < 0.05:
            left += self.rng.randrange(20)
        if left and not (self.ended and not self.executions):
            lots = self.rng.randint(1, left)
            self.executed += lots
            self.executions.append(self.report(Happening.FILLED, **self.trade(lots)))
            self.ended = self.ended or self.executed >= self.lots

    def amend(self) -> None:
        """A bust or a correction of a fill or of an earlier correction."""
        if self.executions:
            about = self.rng.choice(self.executions)
            if self.rng.random() < 0.5:
                self.report(Happening.BUSTED, about.order, refers_to=about.exec_id)
                self.executions.remove(about)
            else:
                new = self.report(Happening.CORRECTED, about.order, refers_to=about.exec_id, **self.trade(self.rng.randrange(30)))
                self.executions[self.executions.index(about)] = new

    def cancel(self) -> None:
        """Somebody wants it withdrawn."""
        if not self.ended:
            self.wishes += 1
            self.waiting.append(Cancel(id=f"{self.child.id}-x{self.wishes}", target=self.id, time=self.clock))
            self.withdrawn.add(self.id)
            self.ask(self.waiting[-1])

    def replace(self) -> None:
        """Somebody wants another size."""
        if not self.ended and not self.waiting and not self.timed_out and self.id not in self.withdrawn:
            self.wishes += 1
            lots = self.executed + self.rng.randrange(1, 40)
            self.waiting.append(Replace(id=f"{self.child.id}-r{self.wishes}", target=self.id, lots=lots, time=self.clock))
            self.ask(self.waiting[-1])

    def answer(self) -> None:
        """The oldest wish is granted where it can be."""
        if not self.waiting:
            return
        wish = self.waiting.pop(0)
        granted = self.rng.random() < 0.6 and not self.ended and wish.target == self.id
        if isinstance(wish, Cancel):
            self.ended = self.ended or granted
            self.report(
                Happening.CANCELED if granted else Happening.CANCEL_REJECTED,
                self.rng.choice([wish.id, wish.target]) if granted else wish.target,
            )
        elif granted and wish.lots >= self.executed:
            self.id, self.lots, before = wish.id, wish.lots, self.id
            self.accepted = True
            self.report(Happening.REPLACED, replaces=before)
            self.ended = self.executed >= self.lots
        else:
            self.report(Happening.REPLACE_REJECTED, wish.id)

    def pause(self) -> None:
        """A halt, its end, or the answer to somebody's question."""
        if not self.ended and self.rng.random() < 0.3:
            self.report(Happening.STATUS, state=OrderState.NEW)
        elif not self.ended:
            self.report(self.rng.choice([Happening.SUSPENDED, Happening.RESUMED]))

    def end(self) -> None:
        """By itself."""
        if not self.ended:
            ends = [Happening.CANCELED, Happening.EXPIRED, Happening.DONE_FOR_DAY, Happening.STATUS]
            nothing = not self.executed and not self.accepted and self.id == self.child.id
            happening = self.rng.choice([*ends, Happening.REJECTED] if nothing else ends)
            self.report(
                happening, state=self.rng.choice([OrderState.CANCELED, OrderState.EXPIRED]) if happening is Happening.STATUS else None
            )
            self.ended = True

    def tell(self, steps: int) -> list[Message]:
        """So many things happen; then every wish is answered."""
        acts = [self.accept, self.fill, self.fill, self.amend, self.cancel, self.replace, self.answer, self.pause]
        for _ in range(steps):
            self.rng.choice(acts if self.rng.random() < 0.95 else [self.end])()
        while self.waiting:
            self.answer()
        if self.time_outs:
            self.accept()
            self.report(Happening.ACCEPTED, self.child.id)
        return self.told


def by_hand(rng: Random, child: Child, steps: int) -> list[Message]:
    """An order that the desk hears of from a drop copy, if at all."""
    story = Story(rng, child)
    for _ in range(steps):
        rng.choice([story.accept, story.fill, story.amend])()
    known = rng.random() < 0.5
    return [*story.told[1:], child] if known else story.told[1:]


def merged(rng: Random, stories: list[list[Message]]) -> list[Message]:
    """One order of events for all: each story keeps its own."""
    turns = [i for i, story in enumerate(stories) for _ in story]
    rng.shuffle(turns)
    queues = [iter(story) for story in stories]
    return [next(queues[i]) for i in turns]


def delivered(rng: Random, events: list[Message]) -> list[Message]:
    """Another legal order: wishes keep their places, reports come later than they happened, and some come twice."""
    placed = []
    for i, event in enumerate(events):
        late = rng.choice([0, 0, 1, 3, 10, len(events)]) * rng.random() if isinstance(event, Report) else 0
        placed.append((i + late, event))
        if isinstance(event, Report) and rng.random() < 0.3:
            placed.append((i + late + rng.random() * len(events), event))
    return [event for _, event in sorted(placed, key=lambda pair: pair[0])]
