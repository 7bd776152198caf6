"""A real Wagtail with the pages of a test: one process, SQLite, the API of version 2.

A script for the judges' own Python: `python serve.py FOLDER PORT [WEBHOOK SECRET]`. Prints `ready`,
then takes one line of JSON after another on standard input, carries it out and prints `done`:

    {"publish": {"slug": "offers", "locale": "en", …fields}}   {"unpublish": "offers"}
"""

import json
import os
import sys
import threading
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

FOLDER, PORT, *WEBHOOK = sys.argv[1:]
sys.path.insert(0, str(Path(__file__).parent))
os.environ.update(DJANGO_SETTINGS_MODULE="settings", WAGTAIL_FOLDER=FOLDER)
os.environ.update(zip(("WEBHOOK_URL", "WEBHOOK_SECRET"), WEBHOOK, strict=False))

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from shop.models import ModulePage  # noqa: E402
from wagtail.models import Locale, Page, Site  # noqa: E402


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


def begin():
    # Tables by the models: the history of all migrations takes half a minute.
    call_command("migrate", run_syncdb=True, verbosity=0)
    root = Page.add_root(
        title="Root", slug="root", locale=Locale.objects.create(language_code="en")
    )
    for code in ("en", "de"):
        locale, _ = Locale.objects.get_or_create(language_code=code)
        root.add_child(instance=Page(title=code, slug=code, locale=locale))
    home = Page.objects.get(slug="en")
    Site.objects.create(hostname="localhost", port=80, root_page=root, is_default_site=True)
    assert home.live


def publish(slug, locale="en", **fields):
    found = ModulePage.objects.filter(slug=slug, locale__language_code=locale).first()
    if found is None:
        parent = Page.objects.get(slug=locale)
        found = parent.add_child(
            instance=ModulePage(title=slug, slug=slug, locale=parent.locale, live=False)
        )
    for name, value in fields.items():
        setattr(found, name, value)
    found.save_revision().publish()


def unpublish(slug):
    for page in ModulePage.objects.filter(slug=slug):
        page.unpublish()


def main():
    begin()
    server = make_server("127.0.0.1", int(PORT), get_wsgi_application(), Server, Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        if "publish" in order:
            publish(**order["publish"])
        else:
            unpublish(order["unpublish"])
        print("done", flush=True)


main()
