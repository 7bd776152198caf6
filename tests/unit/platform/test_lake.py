"""A table that two runs create at the same moment is there for both."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from delta.exceptions import ProtocolChangedException

from sparkperso.platform.lake import TableWriter


@pytest.mark.parametrize("is_there", [True, False])
def test_what_another_run_created_meanwhile_is_taken(monkeypatch, is_there):
    answers = iter([False, is_there])

    def execute():
        raise ProtocolChangedException("by a concurrent update")

    create = getattr(TableWriter.create, "__wrapped__", TableWriter.create)
    monkeypatch.setattr(TableWriter, "_builder", lambda self: SimpleNamespace(execute=execute))
    writer = TableWriter(SimpleNamespace(exists=lambda: next(answers)))
    if is_there:
        create(writer)
    else:
        with pytest.raises(ProtocolChangedException):
            create(writer)
    assert next(answers, None) is None
