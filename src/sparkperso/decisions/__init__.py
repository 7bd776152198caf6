"""What is shown to whom, and why: decided by slots, content and rules, in plain Python."""

from typing import TYPE_CHECKING

from sparkperso.core.package import exporter

if TYPE_CHECKING:
    from sparkperso.decisions.assets import load_rulebook as load_rulebook
    from sparkperso.decisions.decision import decide as decide
    from sparkperso.decisions.facts import Facts as Facts
    from sparkperso.decisions.facts import read_context as read_context
    from sparkperso.decisions.items import active_rules as active_rules
    from sparkperso.decisions.items import apply_item_rules as apply_item_rules

_EXPORTS = {
    "Facts": "facts",
    "active_rules": "items",
    "apply_item_rules": "items",
    "decide": "decision",
    "load_rulebook": "assets",
    "read_context": "facts",
}
__all__ = list(_EXPORTS)
__getattr__ = exporter(__name__, _EXPORTS)
