"""Configuration: layered YAML into frozen, validated models."""

from sparkperso.config.layers import default_conf_dir
from sparkperso.config.load import config_hash, load_named, load_settings
from sparkperso.config.settings import Settings

__all__ = ["Settings", "config_hash", "default_conf_dir", "load_named", "load_settings"]
