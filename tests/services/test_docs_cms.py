"""docs/cms.md: its example prints what it shows, its YAML is sound, its Python is the tests'."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from tests.cms import settings_for
from tests.web_stub import JSON, WebStub

from sparkperso.config.content.cms import CmsConfig, WebhookConfig
from sparkperso.config.outbound import OutboundConfig
from sparkperso.services.content.sources import Sources
from sparkperso.services.http.outbound import open_outbound
from sparkperso.testing.cluster import free_port

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cms.md").read_text(encoding="utf-8")
ANSWERS = ROOT / "docs" / "examples" / "cms" / "answers" / "api"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_example_prints_what_the_page_shows(tmp_path):
    [script], [shown] = blocks("sh"), blocks("text")
    port = str(free_port())
    conf = tmp_path / "conf"
    subprocess.run(["cp", "-r", str(ROOT / "docs/examples/cms/conf"), str(conf)], check=True)
    source = conf / "base" / "cms.yaml"
    source.write_text(source.read_text().replace("9917", port))
    script = script.replace("9917", port).replace("/tmp/cms-lake", str(tmp_path / "lake"))
    script = script.replace("docs/examples/cms/conf", str(conf))
    # Only the test is quicker than the server that it starts.
    wait = f"until (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null; do sleep 0.05; done"
    script = script.replace("answers &\n", f"answers &> {tmp_path}/log &\n{wait}\n")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    ran = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    moment = re.compile(r"as of \S+Z")
    assert moment.sub("", ran.stdout) == moment.sub("", shown)


def test_configuration_of_the_page_is_sound():
    whole, *sources, hook, outbound = [yaml.safe_load(dedent(one)) for one in blocks("yaml")]
    OutboundConfig.model_validate(whole["outbound"])
    assert CmsConfig.model_validate(whole["cms"]).sources["shop"].fields.name == "slug"
    kinds = [CmsConfig(sources=one).sources["shop"].kind for one in sources]
    assert kinds == ["wagtail", "aem", "strapi"]
    assert WebhookConfig.model_validate(hook["webhook"]).check == "contentful"
    assert OutboundConfig.model_validate(outbound["outbound"]).allow_private == ("10.20.0.0/16",)


def test_every_key_of_a_source_is_explained():
    for kind in ("contentful", "wagtail", "aem", "strapi"):
        required = {"space": "a", "content_type": "a"} if kind == "contentful" else {}
        required |= {"type": "a.B"} if kind == "wagtail" else {}
        required |= {"persisted_query": "a/b"} if kind == "aem" else {}
        required |= {"collection": "a"} if kind == "strapi" else {}
        base = {"kind": kind, "base_url": "https://cms.example", **required}
        source = CmsConfig(sources={"shop": base}).sources["shop"]
        for name in type(source).model_fields:
            assert name == "kind" or f"`{name}`" in PAGE or f"{name}:" in PAGE, (kind, name)


def test_the_python_of_the_page_is_what_the_tests_wagtail_runs():
    model, receiver = (ast.parse(one) for one in blocks("python"))
    site = ROOT / "tests" / "wagtail_site" / "shop"
    shown = {one.targets[0].id: one for one in model.body[0].body}
    tested = ast.parse((site / "models.py").read_text()).body[-1]
    own = {one.targets[0].id: one for one in tested.body if isinstance(one, ast.Assign)}
    for name in ("slots", "valid_until", "variants"):
        assert ast.dump(shown[name]) == ast.dump(own[name])
    function = receiver.body[0]
    same = ast.parse((site / "webhook.py").read_text()).body[-1]
    assert ast.dump(function.decorator_list[0].args[0]) == ast.dump(same.decorator_list[0].args[0])


@pytest.mark.parametrize("locales", [(), ("en", "de")])
def test_what_strapi_answered_is_read_as_it_is(locales):
    """Recorded of Strapi 5.54.0, for the requests that the adapter makes."""
    import asyncio

    def answer(request):
        name = "modules.de" if "locale=de" in request.target else "modules"
        return 200, JSON, (ANSWERS / name).read_bytes()

    async def run(settings):
        async with open_outbound(settings.outbound) as client:
            return await Sources(settings, client, {}).fetch("shop")

    with WebStub(answer) as stub:
        found = asyncio.run(run(settings_for(stub.url, locales=locales)))
    assert list(found.contents) == ["spring-sale", "tea-time"]
    assert [one.entry_id for one in found.problems] == ["hjkfqthxkkxq9s84t3qqknop"]
    bodies = found.contents["spring-sale"].bodies_of("bold")
    assert {language for _, language in bodies} == set(locales or ("en",))
    assert bodies["any", "en"].endswith("<strong>Spring sale</strong></h2></section>")
    if locales:
        assert bodies["any", "de"].endswith("<strong>Frühling</strong></h2></section>")
        assert "<h2>Frühling</h2>" in found.contents["spring-sale"].bodies_of("plain")["any", "de"]
