"""Who is known, one row per user: `spark-submit jobs/build_profiles.py --lake …`."""

from sparkperso.cli.main import main

if __name__ == "__main__":
    main("build-profiles")
