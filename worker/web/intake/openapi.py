"""The OpenAPI document of what takes ids."""

from pathlib import Path

DOCUMENT = Path(__file__).with_name("openapi.json")
