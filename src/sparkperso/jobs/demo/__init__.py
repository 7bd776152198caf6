"""demo: `run` on the bundled real data set, a summary of a screen, and the same as a page.

`job` runs it, `summary` gathers what came of it, `page` writes the HTML.
"""

from sparkperso.jobs.demo.job import main

__all__ = ["main"]
