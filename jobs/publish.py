"""What services read, as a new version of the store: `spark-submit jobs/publish.py --lake …`."""

from sparkperso.cli.main import main

if __name__ == "__main__":
    main("publish")
