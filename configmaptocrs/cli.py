"""`configmaptocrs`: MetalLB's legacy ConfigMap to custom resources, as the official converter is called."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from configmaptocrs.cluster_files import nodes_in, read_text, services_in
from configmaptocrs.convert import Wishes, convert, draft
from configmaptocrs.document import to_text
from configmaptocrs.failure import ConversionError, Exit
from configmaptocrs.findings import Finding, to_json
from configmaptocrs.flags import HelpWanted, Options, UsageError, parse, usage
from configmaptocrs.official import official_result
from configmaptocrs.output import RESULT_NAME, write_file
from configmaptocrs.reversing import config_map_of
from configmaptocrs.source import path_in, read_file, source_of
from configmaptocrs.targets import Mode, Target, version_of
from configmaptocrs.verify import Cluster, verify
from metalpy.config.resources import secrets_in
from metalpy.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from metalpy.config.resource_objects import SecretPassword
    from metalpy.model import ObjectKey


def main() -> NoReturn:
    """Run with the process's arguments."""
    gc.disable()  # a short run that throws nearly nothing away: collecting took a third of its time
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> Exit:
    """Do what the arguments say and give the exit status; messages go to standard error."""
    try:
        options = parse(arguments)
        wishes = _wishes(options)
    except HelpWanted:
        sys.stderr.write(usage())
        return Exit.DONE
    except UsageError as error:
        sys.stderr.write(f"{error}\n{usage()}")
        return Exit.USAGE
    try:
        if options["compat"] == "official":
            return _convert_as_official(options)
        if options["reverse"]:
            return _reverse(options, wishes)
        return _verify(options, wishes) if options.has("verify") else _convert(options, wishes)
    except ConversionError as error:
        for line in error.lines:
            _tell(line)
        return Exit.FAILED
    except BrokenPipeError:
        return Exit.FAILED


def _wishes(options: Options) -> Wishes:
    if options.rest and options["compat"] != "official":
        raise UsageError(f"{options.rest[0]}: is no flag, and what follows it would be lost; write -flag=value")
    try:
        target = Target(version_of(options["target"]), Mode(options["target-mode"]))
    except ValueError as error:
        raise UsageError(f"invalid value for flag -target: {error}") from None
    return Wishes(
        target=target,
        namespace=options["namespace"],
        keep_names=options["names"] == "keep",
        secrets=options["passwords"] == "secret",
        fix=options.has("fix"),
        allow_empty=options.has("allow-empty"),
        source_mode=None if options["source-mode"] == "auto" else Mode(options["source-mode"]),
    )


def _convert(options: Options, wishes: Wishes) -> Exit:
    text = read_file(options["dir"], options["source"])
    conversion = convert(source_of(text, only_data=options.has("only-data")), wishes)
    _report(options, conversion.findings)
    result = to_text(conversion.objects)
    if options.has("stdout"):
        sys.stdout.write(result)
        sys.stdout.flush()
    else:
        path = path_in(options["dir"], RESULT_NAME)
        write_file(path, result, secret=any(peer.password for peer in conversion.config.peers))
        _tell(f"wrote {len(conversion.objects)} objects to {path}")
    return Exit.DONE


def _convert_as_official(options: Options) -> Exit:
    path = path_in(options["dir"], RESULT_NAME)
    try:
        text = read_file(options["dir"], options["source"])
        result = official_result(text, only_data=options.has("only-data"))
    except ConversionError as error:
        _tell(error.lines[0])
        result = ""
    if options.has("stdout"):
        sys.stdout.write(result)
        sys.stdout.flush()
    else:
        write_file(path, result)
    return Exit.DONE


def _verify(options: Options, wishes: Wishes) -> Exit:
    text = read_file(options["dir"], options["source"])
    cluster = _cluster(options)
    resources = read_text(options["crs"]) if options["crs"] else None
    try:
        conversion = draft(source_of(text, only_data=options.has("only-data")), wishes)
    except ConversionError as error:
        if not all(line.startswith("D-") for line in error.lines):
            raise
        findings = [Finding(*line.split(" ", 2)) for line in error.lines]
    else:
        findings = verify(conversion, resources or conversion.objects, wishes.target, cluster)
    return _verdict(options, findings)


def _reverse(options: Options, wishes: Wishes) -> Exit:
    resources = read_text(options["reverse"])
    result, findings = config_map_of(resources, wishes, _cluster(options), partial=options.has("partial"))
    _report(options, findings)
    sys.stdout.write(result)
    sys.stdout.flush()
    return Exit.DONE


def _cluster(options: Options) -> Cluster:
    return Cluster(
        nodes=nodes_in(options["nodes"]) if options["nodes"] else None,
        services=services_in(options["services"]) if options["services"] else None,
        secrets=_secrets(options["secrets"]),
    )


def _secrets(path: str) -> Mapping[ObjectKey, SecretPassword]:
    try:
        return secrets_in(read_text(path)) if path else {}
    except ConfigError as error:
        raise ConversionError(*(problem.describe(path) for problem in error.problems)) from None


def _verdict(options: Options, findings: Sequence[Finding]) -> Exit:
    if options["report"]:
        write_file(Path(options["report"]), to_json(findings))
    for finding in findings:
        sys.stdout.write(finding.describe() + "\n")
    if any(finding.is_difference for finding in findings):
        verdict, status = "NOT EQUIVALENT", Exit.DIFFERENT
    elif any(finding.is_undecided for finding in findings):
        verdict, status = "UNDECIDED", Exit.UNDECIDED
    else:
        verdict, status = "EQUIVALENT", Exit.DONE
    sys.stdout.write(verdict + "\n")
    sys.stdout.flush()
    return status


def _report(options: Options, findings: Iterable[Finding]) -> None:
    findings = list(findings)
    for finding in findings:
        _tell(finding.describe())
    if options["report"]:
        write_file(Path(options["report"]), to_json(findings))


def _tell(line: str) -> None:
    sys.stderr.write(f"configmaptocrs: {line}\n")
