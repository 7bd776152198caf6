"""What build-recommendations does without a Spark job of its own."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import MagicMock

from sparkperso.jobs.build_recommendations.shop_lists import SIMILAR, write_similar


def test_a_champion_without_factors_empties_similar_items_and_the_job_says_why():
    job, said = MagicMock(), []
    job.say = said.append
    write_similar(job, SimpleNamespace(document={"tables": {}}), [])
    (line,) = said
    assert "als_implicit" in line
    assert "recommend.search.space" in line
    job.writer.assert_called_once_with(SIMILAR)
    job.writer(SIMILAR).overwrite.assert_called_once()
