"""Makes a better candidate the champion: `spark-submit jobs/promote_model.py --lake …`."""

from sparkperso.cli.main import main

if __name__ == "__main__":
    main("promote-model")
