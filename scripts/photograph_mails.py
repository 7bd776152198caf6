"""Photographs the mails of two customers into docs/pictures/mails.png.

    .venv/bin/sparkperso render-emails picks --user 14911 --user 12393 --out mails --html
    .venv/bin/python scripts/photograph_mails.py mails/14911.html mails/12393.html

Needs Chromium (on Debian: apt-get install chromium).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

from PIL import Image, ImageChops

PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "mails.png"
WIDTH, HEIGHT, GAP = 640, 1500, 24
"""Pixels of one mail, and between two."""
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]
GROUND = "#d9ddd9"


def main() -> None:
    """Puts the mails beside each other, as a mail program shows them, and takes a picture."""
    mails = [Path(name).resolve() for name in sys.argv[1:]]
    frames = "".join(
        f'<iframe src="{escape(mail.as_uri())}" width="{WIDTH}" height="{HEIGHT}"></iframe>'
        for mail in mails
    )
    style = f"body {{margin: 0; display: flex; gap: {GAP}px; background: {GROUND}}}"
    with tempfile.TemporaryDirectory() as scratch:
        page, shot = Path(scratch) / "page.html", Path(scratch) / "shot.png"
        page.write_text(
            f"<!doctype html><style>{style} iframe {{border: 0}}</style>{frames}", encoding="utf-8"
        )
        size = f"{len(mails) * (WIDTH + GAP) - GAP},{HEIGHT}"
        command = ["chromium", *QUIET, f"--user-data-dir={scratch}/profile"]
        subprocess.run(
            [*command, f"--window-size={size}", f"--screenshot={shot}", page.as_uri()],
            check=True,
            timeout=120,
        )
        cropped(Image.open(shot).convert("RGB")).quantize(64).save(PICTURE, optimize=True)


def cropped(picture: Image.Image) -> Image.Image:
    """Returns the picture without the empty rows at its end."""
    last = picture.crop((0, picture.height - 1, picture.width, picture.height))
    empty = last.resize(picture.size)
    box = ImageChops.difference(picture, empty).getbbox()
    return (
        picture.crop((0, 0, picture.width, min(picture.height, box[3] + GAP))) if box else picture
    )


if __name__ == "__main__":
    main()
