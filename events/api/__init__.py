"""REST for machines: one file a resource, hung into the frame of rest.py by config/urls.py."""

from __future__ import annotations
