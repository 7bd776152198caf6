"""All models on a split: `spark-submit jobs/benchmark.py --train …`."""

from sparkperso.pipeline.runner import main

if __name__ == "__main__":
    main("benchmark")
