"""Files that come with the package: the bundled data, the built browser SDK."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "data"
