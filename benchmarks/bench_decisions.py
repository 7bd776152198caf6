"""The time of one decision: 50 rules in a slot, as they are compiled, and by the plain evaluator.

    python benchmarks/bench_decisions.py [--rules 50] [--people 2000] [--out FILE]

Rules have three parts (segment, attribute, context), of which people fit some. Four cases, in
turns, ten times: as served, the worst case (no rule holds), with an explanation, and the evaluator
that the compiled form is held against. One thread; its time of the processor, the median of the
ten rounds of each.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from datetime import datetime, timezone
from pathlib import Path

from sparkperso.config.content.assets import Content
from sparkperso.config.content.rules import Rule
from sparkperso.config.content.slots import Slot
from sparkperso.decisions.decision import decide
from sparkperso.decisions.facts import Facts
from sparkperso.decisions.rulebook import Rulebook
from sparkperso.rules.evaluate import holds

AT = datetime(2026, 7, 3, 12, tzinfo=timezone.utc)
ROUNDS = 10


def rulebook(n_rules, chance):
    rules = {}
    for number in range(n_rules):
        rules[f"r{number}"] = Rule.model_validate(
            {
                "name": f"r{number}",
                "priority": chance.randrange(10),
                "show": {"slot": "hero", "content": "offers"},
                "if": {
                    "all": [
                        {"segment": f"s{number % 20}"},
                        {"attribute": "age", "at_least": 18 + number % 30},
                        {
                            "any": [
                                {"context": "device_type", "one_of": ["mobile", "tablet"]},
                                {"context": "page", "begins_with": f"/shop/{number % 7}"},
                            ]
                        },
                    ]
                },
            }
        )
    bodies = {"any": {"en": "<p>Hello</p>", "de": "<p>Hallo</p>"}}
    two = {"a": {}, "b": {"bodies": bodies}}
    contents = {
        "offers": Content(name="offers", slots=("hero",), bodies=bodies, variants=two),
        "welcome": Content(name="welcome", slots=("hero",), bodies=bodies),
    }
    return Rulebook({"hero": Slot(name="hero", default="welcome")}, contents, rules)


def people(n, chance, is_worst):
    facts = []
    for number in range(n):
        inside = [f"s{one}" for one in range(20) if is_worst or chance.random() < 0.2]
        context = {"device_type": "desktop", "page": "/"}
        if not is_worst:
            context["device_type"] = chance.choice(("mobile", "desktop"))
            context["page"] = f"/shop/{chance.randrange(12)}"
        context["language"] = ("de-at", "de")
        # The worst: everybody passes the first two parts of every rule, and fails the third.
        age = 80 if is_worst else chance.randrange(18, 70)
        facts.append(Facts(AT, context, f"u{number}", {"age": age}, frozenset(inside), True))
    return facts


def evaluator(book, facts):
    others = {f"s{one}": f"s{one}" in facts.segments for one in range(20)}
    for one in book.candidates("hero"):
        if holds(one.offer.condition, facts.attributes, (), AT, others, context=facts.context):
            return one
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=int, default=50)
    parser.add_argument("--people", type=int, default=2_000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    chance = random.Random(1)
    book = rulebook(options.rules, chance)
    usual, worst = (people(options.people, chance, is_worst) for is_worst in (False, True))
    cases = {
        "as served": (lambda one: decide(book, one, ["hero"]), usual),
        "no rule holds": (lambda one: decide(book, one, ["hero"]), worst),
        "explained": (lambda one: decide(book, one, ["hero"], explain=True), usual[:200]),
        "by the evaluator": (lambda one: evaluator(book, one), usual[:200]),
    }
    times = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, (ask, facts) in cases.items():
            start = time.thread_time()
            for one in facts:
                ask(one)
            times[name].append((time.thread_time() - start) / len(facts) * 1e6)
    won = sum(decide(book, one, ["hero"]).slots["hero"].rule is not None for one in usual)
    figures = {
        "rules": options.rules,
        "share_won": round(won / len(usual), 3),
        "microseconds": {name: round(statistics.median(each), 1) for name, each in times.items()},
    }
    print(json.dumps(figures, indent=1))
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
