"""sparkperso: personalisation on Spark, from raw events to recommendation tables."""

__version__ = "0.1.0"
