"""What stands before every wheel and source archive: the browser's files, built by node."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WITHOUT_WEB = "SPARKPERSO_WITHOUT_WEB"


class WebFiles(BuildHookInterface):
    """Builds web/ where it is out of date; refuses a package without it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raises RuntimeError where the browser's files are neither there nor can be built.

        An editable install takes them from the checkout; a source archive brings them built.
        """
        root = Path(self.root)
        if version == "editable" or (root / "PKG-INFO").is_file() or os.environ.get(WITHOUT_WEB):
            return
        script = [str(root / "scripts" / "build_web.sh")]
        built = subprocess.run(script, capture_output=True, text=True, check=False)
        if built.returncode != 0:
            raise RuntimeError(
                "A wheel should hold the browser SDK and the demo shop, built from web/. "
                f"They could not be built: {built.stderr.strip()} For a wheel whose collector "
                f"serves no browser files, set {WITHOUT_WEB}=1."
            )
