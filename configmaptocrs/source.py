"""The legacy configuration out of a file: a ConfigMap, the bare text, or Helm's values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from configmaptocrs.failure import ConversionError
from metalpy.config.configmap import CONFIG_KEY
from metalpy.config.document import Document, Scalar, compose, compose_all
from metalpy.config.nodes import objects_within, text_in, text_of, value_of
from metalpy.errors import ConfigError

_HELM_KEY = "configInline"


@dataclass(frozen=True, slots=True)
class Source:
    """A legacy configuration: its document, the namespace that its ConfigMap is in, and what places refer to."""

    document: Document
    namespace: str = ""
    name: str = "config"


def read_file(directory: str, name: str) -> str:
    """Read a file of the directory, which no link and no `..` may lead out of. Raises `ConversionError`."""
    path = path_in(directory, name)
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise ConversionError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConversionError(f"{path}: not UTF-8 text: {error}") from None


def read_text(path: str) -> str:
    """Read a file, wherever it is. Raises `ConversionError`."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConversionError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConversionError(f"{path}: not UTF-8 text: {error}") from None


def path_in(directory: str, name: str) -> Path:
    """Give the real path of a file in the directory; an absolute name outside it is taken as if it were below."""
    root = Path(directory).resolve()
    if "\0" in name:
        raise ConversionError("the name of the source has a zero byte in it")
    path = Path(name).resolve() if Path(name).is_absolute() else (root / name).resolve()
    if Path(name).is_absolute() and not path.is_relative_to(root):
        path = (root / name.lstrip("/")).resolve()
    if not path.is_relative_to(root):
        raise ConversionError(f"{name}: leads out of {root}: put the file there, or name its directory by -dir")
    return path


def source_of(text: str, *, only_data: bool) -> Source:
    """Find the configuration in a file's text. Raises `ConversionError` for none, or more than one."""
    try:
        return _bare(text) if only_data else _wrapped(text)
    except ConfigError as error:
        raise ConversionError(*(problem.describe() for problem in error.problems)) from None


def _bare(text: str) -> Source:
    document = compose(text)
    if text_in(document.root, "kind") in {"ConfigMap", "ConfigMapList", "List"}:
        raise ConversionError("the file holds a Kubernetes object: leave -only-data out")
    return _inline(document) or Source(document)


def _wrapped(text: str) -> Source:
    documents = list(compose_all(text))
    objects = (found for document in documents for found in objects_within(document.root))
    found = [node for kind, node in objects if kind == "ConfigMap"]
    having = [config_map for config_map in found if value_of(value_of(config_map, "data"), CONFIG_KEY)]
    if len(having) == 1:
        inner = text_in(value_of(having[0], "data"), CONFIG_KEY)
        return Source(compose(inner), text_in(value_of(having[0], "metadata"), "namespace"))
    if having:
        names = ", ".join(text_in(value_of(one, "metadata"), "name") for one in having)
        raise ConversionError(f"the file holds several ConfigMaps with a key `{CONFIG_KEY}`: {names}; leave one")
    if found:
        raise ConversionError(f"the ConfigMap has no key `{CONFIG_KEY}`, which must hold the configuration")
    inline = [source for document in documents if (source := _inline(document)) is not None]
    if inline:
        return inline[0]
    raise ConversionError("the file holds no ConfigMap; is it the bare configuration? Then add -only-data")


def _inline(document: Document) -> Source | None:
    """Give what stands below `configInline`, as in the values of Helm charts."""
    inline = value_of(document.root, _HELM_KEY)
    if isinstance(inline, Scalar) and text_of(inline):
        return Source(compose(text_of(inline)))
    return None if inline is None else Source(Document(inline, document.node_count), name="source")
