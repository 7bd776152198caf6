"""All models on a split: `spark-submit jobs/benchmark.py --train …`."""

from sparkperso.cli.main import main

if __name__ == "__main__":
    main("benchmark")
