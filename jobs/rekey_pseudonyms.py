"""Gives pseudonyms of an older key new names: spark-submit jobs/rekey_pseudonyms.py."""

from sparkperso.cli.main import main

if __name__ == "__main__":
    main("rekey-pseudonyms")
