"""Did it help? Results and verdicts: `spark-submit jobs/analyze_experiments.py --lake …`."""

from sparkperso.cli.main import main

if __name__ == "__main__":
    main("analyze-experiments")
