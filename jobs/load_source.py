"""Items and users of files: `spark-submit jobs/load_source.py --source NAME --lake …`."""

from sparkperso.cli.main import main

if __name__ == "__main__":
    main("load-source")
