"""The configured sources: what they need is checked once, what they answer becomes content."""

from __future__ import annotations

from collections.abc import Mapping

import anyio

from sparkperso.config import Settings
from sparkperso.config.content.cms import Source
from sparkperso.config.secret import read_secret
from sparkperso.core.errors import ConfigError
from sparkperso.services.content.aem import fetch_aem
from sparkperso.services.content.calls import Api, SourceError
from sparkperso.services.content.contentful import fetch_contentful
from sparkperso.services.content.entries import Fetched
from sparkperso.services.content.mapping import Mapped, map_entries
from sparkperso.services.content.strapi import fetch_strapi
from sparkperso.services.content.wagtail import fetch_wagtail
from sparkperso.services.http.outbound import Outbound, OutboundError, check_url

MIN_SECRET = 16
"""Characters of a webhook's secret."""


class Sources:
    """All configured systems; asking one of them is bounded in time."""

    def __init__(self, settings: Settings, client: Outbound, environ: Mapping[str, str]) -> None:
        """Raises ConfigError, see `check_sources`, and for a token that is missing."""
        check_sources(settings)
        self._settings, self._client = settings, client
        self._tokens = {
            name: _required(source.token_env, environ, f"the token of cms.sources.{name}")
            for name, source in settings.cms.sources.items()
            if source.token_env
        }

    async def fetch(self, name: str) -> Mapped:
        """Returns what a source has now, as content; what does not fit is left out, and noted.

        Raises SourceError or OutboundError where the system did not say, or not in time.
        """
        cms = self._settings.cms
        source = cms.sources[name]
        api = Api(self._client, source.base_url, self._tokens.get(name))
        try:
            with anyio.fail_after(cms.seconds):
                fetched = await _fetch(api, source, cms.max_entries)
        except TimeoutError:
            text = f"{source.base_url} did not give all within {cms.seconds:g} seconds"
            raise SourceError(f"{text} (cms.seconds)") from None
        serving = self._settings.serving
        mapped = map_entries(
            fetched.entries, source, serving.default_language, serving.trusted_content
        )
        mapped.problems[:0] = fetched.problems
        return mapped


def check_sources(settings: Settings) -> None:
    """Raises ConfigError for a source whose host may not be called, or that may not be trusted."""
    for name, source in settings.cms.sources.items():
        try:
            check_url(source.base_url, settings.outbound)
        except OutboundError as error:
            raise ConfigError(
                f"The base_url of cms.sources.{name} should be one that services may call",
                str(error),
            ) from None
        if source.trusted and not settings.serving.trusted_content:
            raise ConfigError(
                f"The HTML of cms.sources.{name} should be sanitised, or trusted by both settings",
                "Its 'trusted' is true, and serving.trusted_content is false",
                "Leave it out, or allow it",
            )


def webhook_secrets(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Returns source → secret of its webhook, of those that have one.

    Raises ConfigError for one that is missing, or shorter than MIN_SECRET characters.
    """
    return {
        name: _required(
            source.webhook.secret_env, environ, f"the webhook's secret of {name}", MIN_SECRET
        )
        for name, source in settings.cms.sources.items()
        if source.webhook
    }


def _required(
    variable: str | None, environ: Mapping[str, str], what: str, characters: int = 1
) -> str:
    secret = read_secret(variable or "", environ)
    if secret is None or len(secret) < characters:
        of_length = f", of {characters} characters or more" if characters > 1 else ""
        raise ConfigError(
            f"{variable} should hold {what}{of_length}",
            "It is not set" if secret is None else "It is shorter",
            f"Set it, or {variable}_FILE to a file that holds it",
        )
    return secret


async def _fetch(api: Api, source: Source, most: int) -> Fetched:
    if source.kind == "contentful":
        return await fetch_contentful(api, source, most)
    if source.kind == "wagtail":
        return await fetch_wagtail(api, source, most)
    if source.kind == "aem":
        return await fetch_aem(api, source, most)
    return await fetch_strapi(api, source, most)
