"""What Contentful's official client reads of a space, as JSON.

A script for the judges' own Python: `python contentful_judge.py PORT SPACE TOKEN CONTENT_TYPE`.
Prints entry id → locale → field → value, links followed; names are the client's (snake case).
"""

import json
import sys
from datetime import datetime

import contentful
from contentful.asset import Asset
from contentful.entry import Entry
from contentful.resource import Link


def plain(value, locale):
    if isinstance(value, Entry | Asset):
        return fields(value, locale)
    if isinstance(value, Link):
        return None
    if isinstance(value, list):
        return [plain(one, locale) for one in value]
    if isinstance(value, dict):
        return {name: plain(one, locale) for name, one in value.items()}
    return value.isoformat() if isinstance(value, datetime) else value


def fields(resource, locale):
    found = {name: plain(one, locale) for name, one in resource.fields(locale).items()}
    return {"sys": {"id": resource.sys["id"]}, **found}


def main():
    port, space, token, content_type = sys.argv[1:]
    client = contentful.Client(space, token, api_url=f"127.0.0.1:{port}", https=False, timeout_s=20)
    codes = [one.code for one in client.locales()]
    query = {"content_type": content_type, "locale": "*", "include": 2, "order": "sys.id"}
    found, total = {}, 1
    while len(found) < total:
        page = client.entries({**query, "limit": 2, "skip": len(found)})
        total = page.total
        for one in page:
            found[one.sys["id"]] = {code: fields(one, code) for code in codes if one.fields(code)}
    json.dump(found, sys.stdout)


main()
