"""Pages that are content, as docs/cms.md shows them."""

from django.db import models
from wagtail.admin.panels import FieldPanel
from wagtail.api import APIField
from wagtail.blocks import RawHTMLBlock, RichTextBlock
from wagtail.fields import RichTextField, StreamField
from wagtail.models import Page

NAMES = ("slots", "segments", "priority", "valid_until", "body", "blocks", "variants")


class ModulePage(Page):
    """A module that a slot shows."""

    slots = models.CharField(max_length=200)
    segments = models.CharField(max_length=400, blank=True)
    priority = models.IntegerField(default=0)
    valid_until = models.DateTimeField(null=True, blank=True)
    body = RichTextField(blank=True)
    blocks = StreamField([("text", RichTextBlock()), ("html", RawHTMLBlock())], blank=True)
    variants = models.JSONField(null=True, blank=True)

    content_panels = (*Page.content_panels, *(FieldPanel(name) for name in NAMES))
    api_fields = tuple(APIField(name) for name in NAMES)
