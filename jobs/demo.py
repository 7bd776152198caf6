"""Every step on the bundled real data set: spark-submit jobs/demo.py."""

from sparkperso.cli.main import main

if __name__ == "__main__":
    main("demo")
