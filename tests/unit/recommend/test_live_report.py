"""What a search shows while it runs."""

from __future__ import annotations

from sparkperso.recommend.tune.live_report import LiveReport


class Screen:
    """Keeps what is shown."""

    def __init__(self):
        self.lines, self.counts = [], []

    def count(self, done, total, what):
        self.counts.append((done, total))


def report(screen, n_folds=2):
    return LiveReport(["als_1", "ease_2"], n_folds, "ndcg", screen.lines.append, screen.count)


def test_a_task_that_is_carried_out_twice_is_shown_once():
    screen = Screen()
    live = report(screen)
    live.begin(4)
    for _ in range(2):
        live.add(0, 0, {"ndcg": 0.1})
        live.add(0, 1, {"ndcg": 0.2})
    assert screen.lines == ["als_1: ndcg 0.1500"]
    assert screen.counts == [(0, 4), (1, 4), (2, 4)]


def test_what_fails_is_shown_once_with_the_first_reason():
    screen = Screen()
    live = report(screen)
    live.begin(4)
    live.add(1, 0, {"failure": "too large"})
    live.add(1, 1, {"failure": "too slow"})
    assert screen.lines == ["ease_2 is left out: too large"]


def test_a_second_round_goes_on_counting_and_says_on_what_the_first_was():
    screen = Screen()
    live = report(screen, n_folds=1)
    live.begin(2, "on 30 % of the users")
    live.add(0, 0, {"ndcg": 0.1})
    live.add(1, 0, {"ndcg": 0.01})
    live.begin(1)
    live.add(0, 0, {"ndcg": 0.3})
    assert screen.counts == [(0, 2), (1, 2), (2, 2), (2, 3), (3, 3)]
    assert screen.lines == [
        "als_1: ndcg 0.1000 on 30 % of the users",
        "ease_2: ndcg 0.0100 on 30 % of the users",
        "als_1: ndcg 0.3000",
    ]
