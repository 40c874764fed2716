"""``python -m ingestion_pipeline.cli.settings_table``: ``docs/settings.md`` out of the class."""

import types
from typing import Annotated, Any, Union, get_args, get_origin

import click
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ingestion_pipeline.settings import Settings

_HEAD = """\
# Settings

Each is an environment variable, or a line in `.env` in the project's root (the environment wins).
Secrets are never printed. Dagster's own settings are in `dagster.yaml`.

Written by `python -m ingestion_pipeline.cli.settings_table > docs/settings.md`.

| variable | takes | default | meaning |
|---|---|---|---|
"""
_NAMES = {"SecretStr": "secret", "AnyHttpUrl": "URL", "Path": "path", "str": "text"}
# Its default is found, not written down.
_FOUND = {"home": "the nearest folder upwards with a `dagster.yaml`, else the working directory"}


def render_settings() -> str:
    """Return the page: one row a field, in the order of the class."""
    rows = [
        f"| `INGESTION_{name.upper()}` | {_name_kind(name, field)} | "
        f"{_show_default(name, field)} | {field.description} |\n"
        for name, field in Settings.model_fields.items()
    ]
    return _HEAD + "".join(rows)


def _name_kind(name: str, field: FieldInfo) -> str:
    kind = _name_type(field.annotation)
    return "URL" if kind == "text" and name.endswith("_url") else kind


def _name_type(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        return _name_type(get_args(annotation)[0])
    if get_origin(annotation) in (types.UnionType, Union):
        return _name_type(next(kind for kind in get_args(annotation) if kind is not type(None)))
    if get_origin(annotation) is tuple:
        return "list"
    name = str(annotation.__name__)
    return _NAMES.get(name, name)


def _show_default(name: str, field: FieldInfo) -> str:
    if name in _FOUND:
        return _FOUND[name]
    if field.default in (None, PydanticUndefined, ()):
        return ""
    if isinstance(field.default, tuple):
        return f"`{','.join(field.default)}`"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    return f"`{field.default}`"


if __name__ == "__main__":
    click.echo(render_settings(), nl=False)
