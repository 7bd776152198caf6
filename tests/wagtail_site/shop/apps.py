"""The application, which tells of changes."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """Connects the receivers."""

    name = "shop"

    def ready(self):
        """Connects them once all models are there."""
        from shop import webhook  # noqa: F401
