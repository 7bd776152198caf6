"""From interactions to lists that are better than what sells.

`data` cuts folds and gathers histories; `fit` and `tune` search the models of `models` on them;
`training` puts the winner to the test and refits it; `promote` lets it become champion; `lists` and
`scoring` give everybody their items. `benchmark` does all of it on a split that somebody brings.
"""
