"""Events into interactions and user features: `spark-submit jobs/build_features.py --lake …`."""

from sparkperso.cli.main import main

if __name__ == "__main__":
    main("build-features")
