"""The settings of lists."""

from sparkperso.config import load_settings


def test_lists_of_what_is_bought_again_are_made_by_default():
    # What a grocer's customers want: no model of new items may beat what is popular there.
    assert load_settings().recommend.lists.kinds == ("new", "again")
