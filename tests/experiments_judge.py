"""What GrowthBook's and OpenFeature's official clients for Python say of many people, as JSON.

A script for the judges' own Python: `python experiments_judge.py URL FEATURES_KEY TOKEN < ids`.
Prints client → experiment → the variant of each id, null where it is not in the experiment; and how
the client of the protocol takes what goes wrong.
"""

import json
import sys

from growthbook import GrowthBook
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

MOST_REQUESTS = 300
"""Ids that the protocol is asked for, one by one."""


def by_growthbook(url, key, ids, experiments):
    client = GrowthBook(api_host=url, client_key=key)
    client.load_features()
    found = {name: [] for name in experiments}
    for one in ids:
        client.set_attributes({"user_id": one, "anonymous_id": one, "device_type": "mobile"})
        for name in experiments:
            result = client.eval_feature(name).experimentResult
            is_in = result is not None and result.inExperiment and result.hashUsed
            found[name].append(result.key if is_in else None)
    client.destroy()
    return found


def by_openfeature(url, token, ids, experiments):
    headers = {"Authorization": f"Bearer {token}"}
    api.set_provider(OFREPProvider(url, headers_factory=lambda: headers))
    client = api.get_client()
    found = {name: [] for name in experiments}
    for one in ids[:MOST_REQUESTS]:
        context = EvaluationContext(one, {"device_type": "mobile", "plan": {"a": [1]}})
        for name in experiments:
            details = detailed(client, name, context)
            found[name].append(details.variant if details.reason == "SPLIT" else None)
    return found, client


def detailed(client, name, context):
    if name == "flag":
        return client.get_boolean_details(name, False, context)
    if name == "cells":
        return client.get_object_details(name, {}, context)
    return client.get_string_details(name, "", context)


def details_of(found):
    code = found.error_code and found.error_code.value
    return {"value": found.value, "reason": found.reason, "error": code}


def main():
    url, features_key, token = sys.argv[1:]
    asked = json.load(sys.stdin)
    ids, experiments = asked["ids"], asked["experiments"]
    openfeature, client = by_openfeature(url, token, ids, experiments)
    context = EvaluationContext(ids[0])
    details = {
        "boolean": client.get_boolean_details("flag", False, EvaluationContext(asked["on"])),
        "mismatch": client.get_boolean_details("thirds", True, context),
        "missing": client.get_string_details("nothing", "own", context),
        "context": client.get_string_details(
            "thirds", "own", EvaluationContext(ids[0], {"device_type": 3})
        ),
        "over": client.get_string_details("over", "own", context),
    }
    api.set_provider(OFREPProvider(url))
    details["nobody"] = api.get_client().get_string_details("thirds", "own", context)
    print(
        json.dumps(
            {
                "growthbook": by_growthbook(url, features_key, ids, experiments),
                "openfeature": openfeature,
                "details": {name: details_of(one) for name, one in details.items()},
            }
        )
    )


main()
