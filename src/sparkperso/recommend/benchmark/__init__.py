"""All models on a split that the user gives: tuned inside its training part, tested once.

`run.run_benchmark` is the whole of it; `prepare` reads and cuts, `candidates` says what is tried,
`holdout` evaluates on the test, `report` writes the document and the table.
"""
