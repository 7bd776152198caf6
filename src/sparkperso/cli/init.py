"""`sparkperso init`: a conf/ folder of your own, to lie over the shipped one."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from sparkperso.core.errors import JobError, UsageError
from sparkperso.core.package import DATA
from sparkperso.core.terminal import visible

SETTINGS = """\
# Settings of your own, over the shipped ones: 'sparkperso config show' prints all, and the file or
# option that each comes from. A folder <env> beside this one holds what differs in --env <env>.
#
# lake:
#   root: lake                # folder or URI of the tables
# logging:
#   format: json              # log lines as JSON
"""
FILES = {
    "sources/shop.yaml": "shop.yaml",
    "sources/products.yaml": "products.yaml",
    "sources/sample/orders.csv": "orders.csv",
    "sources/sample/products.csv": "products.csv",
}
"""File in the folder → file of the package that it begins with."""
NEXT = """{conf} lies over the shipped settings where it is named: by --conf-dir, or for a shell by
  export SPARKPERSO_CONF_DIR={path}
Secrets never stand in it: 'sparkperso config show' says what comes from the environment.
What to do next:
  sparkperso sources check shop --conf-dir {conf}          (a sample of orders; no Spark)
  sparkperso sources check shop --conf-dir {conf} --rows   (what they become; starts Spark)
  then name your own files in {conf}/sources/shop.yaml and products.yaml, check again, and
  sparkperso run --source shop --conf-dir {conf}"""


@click.command("init", help="Writes a conf/ of your own into DIR, with a source to begin with.")
@click.argument("folder", metavar="[DIR]", default="conf", type=click.Path(path_type=Path))
def command(folder: Path) -> None:
    """Writes an overlay without settings, two commented sources, and a sample of their files.

    Raises UsageError where there is something at DIR, JobError where it cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            "DIR should be a new or an empty folder",
            f"There is something in '{folder}'",
            "Name another folder; nothing was written",
        )
    conf = folder.as_posix()
    try:
        for name, shipped in FILES.items():
            text = (DATA / "starter" / shipped).read_text(encoding="utf-8")
            _write(folder / name, text.format(conf=conf) if name.endswith(".yaml") else text)
        _write(folder / "base" / "platform.yaml", SETTINGS)
    except OSError as error:
        raise JobError(f"'{folder}' should be writable", error.strerror or "") from None
    # As a shell takes them.
    words = {"conf": shlex.quote(conf), "path": shlex.quote(str(folder.resolve()))}
    click.echo(visible(NEXT.format(**words)))


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
