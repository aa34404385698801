"""What a run works on, out of files."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from configmaptocrs.failure import ConversionError
from configmaptocrs.source import Source, read_file, read_text, source_of
from metalpy.config.resources import secrets_in
from metalpy.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from configmaptocrs.flags import Options
    from configmaptocrs.objects import Object
    from configmaptocrs.verify import Cluster
    from metalpy.config.resource_objects import SecretPassword
    from metalpy.model import ObjectKey


class Inputs(NamedTuple):
    """A configuration, what is known of its cluster, and the custom resources that this holds, if it was asked."""

    source: Source
    cluster: Cluster | None
    held: Sequence[Object] = ()


def file_inputs(options: Options) -> Inputs:
    """Read everything from files. Raises `ConversionError`."""
    text = read_file(options["dir"], options["source"])
    return Inputs(source_of(text, only_data=options.has("only-data")), cluster_in_files(options))


def cluster_in_files(options: Options) -> Cluster | None:
    """Read what the files that were named say of the cluster; None where none is. Raises `ConversionError`."""
    if not any(options[name] for name in ("nodes", "services", "secrets")):
        return None
    from configmaptocrs.cluster_files import nodes_in, services_in  # noqa: PLC0415 - see `cli`
    from configmaptocrs.verify import Cluster  # noqa: PLC0415 - likewise

    return Cluster(
        known_nodes=nodes_in(options["nodes"]) if options["nodes"] else None,
        services=services_in(options["services"]) if options["services"] else None,
        secrets=_secrets(options["secrets"]),
    )


def _secrets(path: str) -> Mapping[ObjectKey, SecretPassword]:
    try:
        return secrets_in(read_text(path)) if path else {}
    except ConfigError as error:
        raise ConversionError(*(problem.describe(path) for problem in error.problems)) from None
