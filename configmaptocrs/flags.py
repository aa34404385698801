"""The command line, in the grammar of Go's `flag` package.

One dash is as good as two; a value stands behind `=` or is the next word, a flag that is true or false takes
it behind `=` only; the last of several counts; nothing is abbreviated; the first word that is no flag ends them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TRUTHS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
_HELP = frozenset({"h", "help"})


class UsageError(Exception):
    """The command line is wrong; the message says how."""


class HelpWanted(Exception):  # noqa: N818 - it is no error
    """The command line asks for the list of flags."""


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag that takes a text, or one of `choices` where there are any; with `default` None it is true or false."""

    name: str
    default: str | None
    meaning: str
    choices: tuple[str, ...] = ()


FLAGS = (
    Flag("source", "./config.yaml", "FILE to read, in the directory"),
    Flag("only-data", None, "FILE is the bare configuration, not a ConfigMap"),
    Flag("stdout", None, "write to standard output instead of resources.yaml"),
    Flag("dir", "/var/input", "DIRECTORY of input and output"),
    Flag("namespace", "", "NAMESPACE of all objects; else the ConfigMap's, else metallb-system"),
    Flag("compat", "fixed", "what to do where the official converter is wrong", ("fixed", "official")),
    Flag("names", "official", "names of pools and BFD profiles: keep leaves valid ones alone", ("official", "keep")),
    Flag("passwords", "inline", "where BGP passwords go", ("inline", "secret")),
    Flag("target", "0.16", "VERSION of MetalLB that is to read the result"),
    Flag("target-mode", "native", "how that MetalLB speaks BGP", ("native", "frr", "frr-k8s")),
    Flag("source-mode", "auto", "how the old MetalLB speaks BGP", ("auto", "native", "frr")),
    Flag("fix", None, "rewrite what the new MetalLB reads in another way, where that is safe"),
    Flag("allow-empty", None, "take a configuration without anything in it"),
    Flag("report", "", "FILE to write all findings to, as JSON"),
    Flag("verify", None, "prove that the result means the same; writes nothing but findings"),
    Flag("crs", "", "FILE of custom resources to verify, instead of the own result"),
    Flag("nodes", "", "FILE of the cluster's nodes, as kubectl get -o yaml writes it"),
    Flag("services", "", "FILE of the cluster's Services, likewise"),
    Flag("secrets", "", "FILE of the Secrets that peers name, likewise"),
    Flag(
        "from-cluster", None, "read the ConfigMap from the API server; with -verify also nodes, Services and resources"
    ),
    Flag("kubeconfig", "", "FILE that says how to reach the API server; else as the pod that this runs in"),
    Flag("config", "", "NAME of the ConfigMap in the cluster; else config, or metallb-config where only that one is"),
    Flag("config-namespace", "", "NAMESPACE of that ConfigMap; else -namespace, else the pod's, else metallb-system"),
    Flag("held", None, "with -verify -from-cluster: compare with the resources in the cluster, not the own result"),
    Flag("apply", None, "put the result to the API server, after a trial there, a diff and a question"),
    Flag("yes", None, "with -apply: do not ask"),
    Flag("reverse", "", "FILE of custom resources to write as a ConfigMap"),
    Flag("partial", None, "with -reverse: leave out what a ConfigMap cannot say, and list it"),
)
_BY_NAME = {flag.name: flag for flag in FLAGS}


@dataclass(frozen=True, slots=True)
class Options:
    """The flags' values, and the words that are behind the last flag."""

    texts: Mapping[str, str]
    truths: Mapping[str, bool]
    rest: tuple[str, ...] = field(default=())

    def __getitem__(self, name: str) -> str:
        return self.texts[name]

    def has(self, name: str) -> bool:
        """Tell whether a flag that is true or false is true."""
        return self.truths[name]


def parse(arguments: Sequence[str]) -> Options:
    """Read a command line without the program's name. Raises `UsageError`, or `HelpWanted`."""
    texts = {flag.name: flag.default for flag in FLAGS if flag.default is not None}
    truths = {flag.name: False for flag in FLAGS if flag.default is None}
    words = list(arguments)
    while words and words[0].startswith("-") and words[0] != "-":
        word = words.pop(0)
        if word == "--":
            break
        written = word[2:] if word.startswith("--") else word[1:]
        if not written or written[0] in "-=":
            raise UsageError(f"bad flag syntax: {word}")
        name, equals, value = written.partition("=")
        flag = _BY_NAME.get(name)
        if flag is None:
            if name in _HELP:
                raise HelpWanted
            raise UsageError(f"flag provided but not defined: -{name}")
        if flag.default is None:
            truths[name] = _truth(flag, value) if equals else True
            continue
        if not equals:
            if not words:
                raise UsageError(f"flag needs an argument: -{name}")
            value = words.pop(0)
        if flag.choices and value not in flag.choices:
            raise UsageError(f'invalid value "{value}" for flag -{name}: must be one of {", ".join(flag.choices)}')
        texts[name] = value
    return Options(texts, truths, tuple(words))


_NOT_TOGETHER = (
    ("apply", ("verify", "stdout", "reverse")),
    ("from-cluster", ("only-data", "reverse")),
    ("held", ("crs",)),
)
_ONLY_WITH = {
    "held": ("verify", "from-cluster"),
    "yes": ("apply",),
    "config": ("from-cluster",),
    "config-namespace": ("from-cluster",),
}


def refuse_contradictions(options: Options) -> None:
    """Raise `UsageError` for flags of which one would be passed over in silence."""
    given = {name for name, text in options.texts.items() if text} | {
        name for name in options.truths if options.has(name)
    }
    if options["compat"] == "official" and (found := given & {"apply", "from-cluster"}):
        raise UsageError(
            f"-compat official and -{min(found)} do not go together: the official converter has no cluster"
        )
    for name, others in _NOT_TOGETHER:
        for other in others:
            if {name, other} <= given:
                raise UsageError(f"-{name} and -{other} do not go together")
    for name, needed in _ONLY_WITH.items():
        for other in needed:
            if name in given and other not in given:
                raise UsageError(f"-{name} says something only together with -{other}")
    if "kubeconfig" in given and not given & {"from-cluster", "apply"}:
        raise UsageError("-kubeconfig says something only together with -from-cluster or -apply")


def usage() -> str:
    """Give the list of flags."""
    lines = ["Usage of configmaptocrs:"]
    for flag in FLAGS:
        takes = "" if flag.default is None else " " + ("|".join(flag.choices) or "string")
        default = f' (default "{flag.default}")' if flag.default else ""
        lines += [f"  -{flag.name}{takes}", f"    \t{flag.meaning}{default}"]
    return "\n".join(lines) + "\n"


def _truth(flag: Flag, value: str) -> bool:
    if value not in _TRUTHS:
        raise UsageError(f'invalid boolean value "{value}" for -{flag.name}: parse error')
    return _TRUTHS[value]
