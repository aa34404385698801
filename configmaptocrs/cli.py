"""`configmaptocrs`: MetalLB's legacy ConfigMap to custom resources, as the official converter is called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from configmaptocrs.convert import Wishes, convert
from configmaptocrs.document import to_text
from configmaptocrs.failure import ConversionError, Exit
from configmaptocrs.findings import to_json
from configmaptocrs.flags import HelpWanted, Options, UsageError, parse, usage
from configmaptocrs.output import RESULT_NAME, write_file
from configmaptocrs.source import path_in, read_file, source_of
from configmaptocrs.targets import Mode, Target, version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from configmaptocrs.findings import Finding


def main() -> NoReturn:
    """Run with the process's arguments."""
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
        return _convert(options, wishes)
    except ConversionError as error:
        for line in error.lines:
            _tell(line)
        return Exit.FAILED
    except BrokenPipeError:
        return Exit.FAILED


def _wishes(options: Options) -> Wishes:
    if options.rest:
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


def _report(options: Options, findings: Iterable[Finding]) -> None:
    findings = list(findings)
    for finding in findings:
        _tell(finding.describe())
    if options["report"]:
        write_file(Path(options["report"]), to_json(findings))


def _tell(line: str) -> None:
    sys.stderr.write(f"configmaptocrs: {line}\n")
