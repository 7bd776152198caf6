"""A lock is one process's, until its file is closed."""

from sparkperso.core.locks import try_lock


def test_a_lock_is_had_once_until_its_file_is_closed(tmp_path):
    path = tmp_path / "lock"
    with path.open("w") as first, path.open("w") as second:
        assert try_lock(first)
        assert not try_lock(second)
        first.close()
        assert try_lock(second)
