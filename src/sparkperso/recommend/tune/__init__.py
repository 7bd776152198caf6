"""The search of hyper-parameters: the space, trials on folds, the best of each model, the blend."""
