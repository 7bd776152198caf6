"""The dashboard of `sparkperso dashboard`: pages on a lake for people, read without Spark."""
