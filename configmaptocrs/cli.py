"""`configmaptocrs`: MetalLB's legacy ConfigMap to custom resources, as the official converter is called.

A run imports what it does, and not what other runs do, which was a third of the time to start.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, NoReturn

from configmaptocrs.convert import Wishes, convert, draft
from configmaptocrs.document import texts_of
from configmaptocrs.failure import ConversionError, Exit
from configmaptocrs.findings import Finding
from configmaptocrs.flags import HelpWanted, Options, UsageError, parse, refuse_contradictions, usage
from configmaptocrs.inputs import cluster_in_files, file_inputs
from configmaptocrs.output import RESULT_NAME, write_file
from configmaptocrs.reports import report, tell, verdict
from configmaptocrs.source import path_in, read_file, read_text
from configmaptocrs.targets import Mode, Target, version_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from configmaptocrs.inputs import Inputs


def main() -> NoReturn:
    """Run with the process's arguments."""
    gc.disable()  # a short run that throws nearly nothing away: collecting took a third of its time
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> Exit:
    """Do what the arguments say and give the exit status; messages go to standard error."""
    try:
        options = parse(arguments)
        refuse_contradictions(options)
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
            tell(line)
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


def _inputs(options: Options, *, for_proof: bool) -> Inputs:
    if not options.has("from-cluster"):
        return file_inputs(options)
    from configmaptocrs.api_runs import api_inputs  # noqa: PLC0415 - see above

    return api_inputs(options, for_proof=for_proof)


def _convert(options: Options, wishes: Wishes) -> Exit:
    conversion = convert(_inputs(options, for_proof=False).source, wishes)
    if options.has("apply"):
        from configmaptocrs.api_runs import apply  # noqa: PLC0415 - see above

        return apply(options, conversion)
    report(options, conversion.findings)
    result = texts_of(conversion.objects)
    if options.has("stdout"):
        sys.stdout.writelines(result)
        sys.stdout.flush()
    else:
        path = path_in(options["dir"], RESULT_NAME)
        write_file(path, result, secret=any(peer.password for peer in conversion.config.peers))
        tell(f"wrote {len(conversion.objects)} objects to {path}")
    return Exit.DONE


def _convert_as_official(options: Options) -> Exit:
    from configmaptocrs.official import official_result  # noqa: PLC0415 - see above

    path = path_in(options["dir"], RESULT_NAME)
    try:
        text = read_file(options["dir"], options["source"])
        result = official_result(text, only_data=options.has("only-data"))
    except ConversionError as error:
        tell(error.lines[0])
        result = ""
    if options.has("stdout"):
        sys.stdout.write(result)
        sys.stdout.flush()
    else:
        write_file(path, [result])
    return Exit.DONE


def _verify(options: Options, wishes: Wishes) -> Exit:
    from configmaptocrs.verify import Cluster, held_besides, laid_over, verify  # noqa: PLC0415 - see above

    source, cluster, held = _inputs(options, for_proof=True)
    resources = read_text(options["crs"]) if options["crs"] else None
    try:
        conversion = draft(source, wishes)
    except ConversionError as error:
        if not all(line.startswith("D-") for line in error.lines):
            raise
        return verdict(options, [Finding(*line.split(" ", 2)) for line in error.lines])
    del source  # large, and no longer needed
    findings: list[Finding] = []
    objects = conversion.objects
    if options.has("held"):
        objects = list(held)
    elif held:
        findings += held_besides(objects, held)
        objects = laid_over(held, objects)
    compared = objects if resources is None else resources
    return verdict(options, findings + verify(conversion, compared, wishes.target, cluster or Cluster()))


def _reverse(options: Options, wishes: Wishes) -> Exit:
    from configmaptocrs.reversing import config_map_of  # noqa: PLC0415 - see above

    resources = read_text(options["reverse"])
    result, findings = config_map_of(resources, wishes, cluster_in_files(options), partial=options.has("partial"))
    report(options, findings)
    sys.stdout.write(result)
    sys.stdout.flush()
    return Exit.DONE
