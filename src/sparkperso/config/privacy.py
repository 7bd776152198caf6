"""The section `privacy`: the keys that pseudonyms are made with."""

from __future__ import annotations

from pydantic import Field, model_validator

from sparkperso.core.section import Section

KEY_ID = r"^[a-z0-9]{1,16}$"


class PseudonymKeyConfig(Section):
    """One key: where its secret is, and which key it takes over from."""

    from_env: str
    """Environment variable that holds the secret; with `_FILE` after it, one that names a file."""
    secret: str | None = None
    """The secret while that variable is not set; only for `--env local`, where it is none."""
    follows: str | None = Field(default=None, pattern=KEY_ID)
    """The key before this one: its pseudonyms can be re-keyed without the values behind them.
    Its secret stays needed, since a new value goes through both."""


def _first_key() -> dict[str, PseudonymKeyConfig]:
    return {"k1": PseudonymKeyConfig(from_env="SPARKPERSO_PSEUDONYM_K1")}


class PrivacyConfig(Section):
    """How personal values become pseudonyms."""

    keys: dict[str, PseudonymKeyConfig] = Field(default_factory=_first_key, min_length=1)
    """Key id (it stands in every pseudonym) → key."""
    current: str = "k1"
    """Id of the key that new pseudonyms are made with."""

    @model_validator(mode="after")
    def _chains_end(self) -> PrivacyConfig:
        if self.current not in self.keys:
            raise ValueError(f"current names no key: {self.current!r}")
        for key_id in self.keys:
            self.chain(key_id)  # raises for one that has no end
        return self

    def chain(self, key_id: str) -> tuple[str, ...]:
        """Returns the ids of a key and all keys before it, the oldest first.

        Raises ValueError for a key that follows none that there is, or itself.
        """
        chain: list[str] = []
        step: str | None = key_id
        while step is not None:
            if step in chain or step not in self.keys:
                raise ValueError(f"key {key_id!r} should follow a key that is there, in no circle")
            chain.append(step)
            step = self.keys[step].follows
        return tuple(reversed(chain))
