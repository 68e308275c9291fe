"""Arguments, variables and a YAML file in; settings, or every mistake at once and exit code 2, out.

Each option is ``--flag``, ``MEMBERSHIP_FLAG`` and a key of the file, in that order of precedence. A name that is not
known is an error with a suggestion wherever it stands: a misspelled option that is silently ignored costs an evening.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from difflib import get_close_matches
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from sidecar import __version__
from sidecar.errors import SettingsError, SidecarError
from sidecar.settings.options import OPTIONS, PREFIX, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sidecar.settings.options import Option
    from sidecar.settings.values import Settings

    Texts = dict[str, tuple[str, list[str]]]

FORMATTER = partial(argparse.HelpFormatter, width=100)
"""Without a width it asks the terminal, through a module that costs each sidecar 0.8 MB."""

CONFIG_FLAG = "--config"
CONFIG_VARIABLE = PREFIX + "CONFIG"

_SERVICE_LINK = r"_SERVICE_(HOST|PORT(_\w+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$"
"""Variables that the kubelet makes for every Service of the namespace (enableServiceLinks)."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code: 0 done or told to stop, 2 bad configuration, 1 anything else."""
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))  # the image starts with them blocked
    arguments, unknown = _parser().parse_known_args(sys.argv[1:] if argv is None else argv)
    try:
        return _command(arguments, unknown)
    except SettingsError as error:
        for problem in error.problems:
            print(f"membership-sidecar: {problem}", file=sys.stderr)  # noqa: T201
        return 2
    except SidecarError as error:
        print(f"membership-sidecar: {error}", file=sys.stderr)  # noqa: T201
        return 1


def _leave(number: int, frame: object) -> NoReturn:
    """What a signal does until the event loop takes over."""
    del number, frame
    sys.exit(0)


def _command(arguments: argparse.Namespace, unknown: Sequence[str]) -> int:
    if arguments.command == "formats":
        from sidecar.formats import samples  # noqa: PLC0415 - not on the daemon's way

        print(samples.text(), end="")  # noqa: T201
        return 0
    if arguments.command == "demo":
        try:
            from sidecar.demo import run as demo  # noqa: PLC0415 - the daemon never imports the simulator
        except ImportError as error:
            raise SidecarError("The demo is not in the image: run python -m sidecar demo in a checkout.") from error
        return demo.main(arguments.listen, arguments.seconds)
    if arguments.command == "check":
        from sidecar.check import command  # noqa: PLC0415 - nor is that

        return command.main(lambda: parse(vars(arguments), os.environ, unknown), arguments.output_format)
    settings = parse(vars(arguments), os.environ, unknown)
    from sidecar.daemon.run import run  # noqa: PLC0415 - mistakes are reported before half a second of imports

    return run(settings, once=arguments.command == "once")


def parse(arguments: Mapping[str, object], environ: Mapping[str, str], unknown: Sequence[str] = ()) -> Settings:
    """The settings of ``run``, ``once`` and ``check``.

    Args:
        arguments: what argparse found, by the field of the option.
        environ: the environment.
        unknown: what argparse did not know.

    Raises:
        SettingsError: with everything that is wrong.
    """
    flags = {option.flag for option in OPTIONS} | {CONFIG_FLAG}
    problems = [
        f"{word} is not known.{_did_you_mean(word.partition('=')[0], flags)}"
        for before, word in pairwise(["", *unknown])
        if word.startswith("-") or not before.startswith("-")  # not the value of the flag before it
    ]
    texts: Texts = {}
    config = arguments.get("config") or environ.get(CONFIG_VARIABLE)
    if config:
        texts |= _from_file(Path(str(config)), problems)
    texts |= _from_environ(environ, problems)
    for option in OPTIONS:
        given = arguments.get(option.field)
        if isinstance(given, list):
            texts[option.name] = option.flag, given
    return resolve(texts, problems)


def _from_environ(environ: Mapping[str, str], problems: list[str]) -> Texts:
    known = {option.variable: option for option in OPTIONS}
    texts: Texts = {}
    for name, text in sorted(environ.items()):
        option = known.get(name)
        if not name.startswith(PREFIX) or name == CONFIG_VARIABLE or _is_service_link(name, text, option):
            continue
        if option is None:
            problems.append(f"{name} is not known.{_did_you_mean(name, {*known, CONFIG_VARIABLE})}")
        elif text:
            texts[option.name] = name, [text]
    return texts


def _is_service_link(name: str, text: str, option: Option | None) -> bool:
    """Whether the kubelet made it: a Service called ``membership`` makes MEMBERSHIP_PORT=tcp://..., too."""
    if option is not None:
        return text.startswith(("tcp://", "udp://", "sctp://"))
    return bool(re.search(_SERVICE_LINK, name))


def _from_file(path: Path, problems: list[str]) -> Texts:
    import yaml  # noqa: PLC0415 - only where there is a file

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problems.append(f"{CONFIG_FLAG} {path} cannot be read: {' '.join(str(error).split())}.")
        return {}
    if not isinstance(found, dict):
        problems.append(f"{CONFIG_FLAG} {path} is no mapping of options to values.")
        return {}
    known = {option.name: option for option in OPTIONS}
    texts: Texts = {}
    for key, value in found.items():
        if key not in known:
            problems.append(f"{path}: {key} is not known.{_did_you_mean(str(key), set(known))}")
        elif isinstance(value, dict) or value is None:
            problems.append(f"{path}: {key} must be a text or a list of texts.")
        else:
            texts[key] = f"{path}: {key}", [str(part) for part in (value if isinstance(value, list) else [value])]
    return texts


def _did_you_mean(name: str, known: set[str]) -> str:
    close = get_close_matches(name, sorted(known), n=1)
    return f" Did you mean {close[0]}?" if close else ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="membership-sidecar",
        description="Keeps a file on a shared volume true to who the members of a Kubernetes service are.",
        allow_abbrev=False,
        formatter_class=FORMATTER,
    )
    parser.add_argument("--version", action="version", version=f"membership-sidecar {__version__}")
    options = argparse.ArgumentParser(add_help=False, formatter_class=FORMATTER)  # made once, for three commands
    _add_options(options)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in (
        ("run", "follow the source, keep the files true"),
        ("once", "publish one complete answer and exit"),
        ("check", "say what would stop it, and what to do about that"),
    ):
        command = commands.add_parser(
            name,
            parents=[options],
            help=summary,
            description=summary.capitalize() + ".",
            allow_abbrev=False,
            formatter_class=FORMATTER,
        )
        if name == "check":
            command.add_argument("--output-format", choices=("text", "json"), default="text", help="default text")
    demo = commands.add_parser(
        "demo",
        help="a scripted cluster in process, no Kubernetes needed",
        allow_abbrev=False,
        formatter_class=FORMATTER,
    )
    demo.add_argument("--listen", default="127.0.0.1:0", metavar="ADDRESS:PORT", help="where to serve the status")
    demo.add_argument("--seconds", default=56.0, type=float, metavar="NUMBER", help="how long it takes; default 56")
    commands.add_parser("formats", help="every format with a sample", allow_abbrev=False, formatter_class=FORMATTER)
    return parser


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(CONFIG_FLAG, metavar="FILE", help=f"a YAML file of options ({CONFIG_VARIABLE})")
    for option in OPTIONS:
        default = f" Default {option.default}." if option.default else ""
        text = f"{option.text}{default} ({option.variable})".replace("%", "%%")
        parser.add_argument(option.flag, dest=option.field, metavar=option.value, action="append", help=text)
