"""The command line: arguments, variables and a YAML file in; settings, or every error at once and exit code 2, out.

Each option is ``--flag``, ``MEMBERSHIP_FLAG`` and a key of the file, in that order of precedence. What an option means
is in ``settings``; this module reads the file, prints, and starts the command.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from sidecar import __version__
from sidecar.errors import SettingsError, SidecarError
from sidecar.settings import inputs
from sidecar.settings.inputs import CONFIG_FLAG, CONFIG_VARIABLE
from sidecar.settings.options import OPTIONS, SECTIONS, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sidecar.settings.values import Settings

FORMATTER = partial(argparse.HelpFormatter, width=100)
"""Without a width it asks the terminal, through a module that costs each sidecar 0.8 MB."""

SUMMARIES = {
    "run": "follow the members and keep the files up to date",
    "once": "publish one complete snapshot and exit",
    "check": "diagnose configuration, permissions, Services, DNS and volumes, and say what to do",
}
"""The commands that take the options."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code: 0 done or ended by a signal, 2 invalid configuration, 1 any other error."""
    words = sys.argv[1:] if argv is None else argv
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _fail if words[:1] in (["once"], ["check"]) else _leave)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))  # the image starts with them blocked
    arguments, unknown = _parser().parse_known_args(words)
    try:
        return COMMANDS[arguments.command](arguments, unknown)
    except SettingsError as error:
        for problem in error.problems:
            print(f"membership-sidecar: {problem}", file=sys.stderr)  # noqa: T201
        return 2
    except SidecarError as error:
        print(f"membership-sidecar: {error}", file=sys.stderr)  # noqa: T201
        return 1


def _leave(number: int, frame: object) -> NoReturn:
    """What a signal does until the event loop handles signals."""
    del number, frame
    sys.exit(0)


def _fail(number: int, frame: object) -> NoReturn:
    """The same for ``once`` and ``check``: other containers wait for their success, and they have done nothing yet."""
    del frame
    sys.exit(128 + number)


def _follow(arguments: argparse.Namespace, unknown: Sequence[str]) -> int:
    """``run`` and ``once``. A fatal error becomes a log event as well, for whoever reads the log alone."""
    texts, problems = _given(vars(arguments), os.environ, unknown)
    try:
        settings = resolve(texts, problems)
        from sidecar.daemon.run import run  # noqa: PLC0415 - half a second of imports; errors are reported before it

        return run(settings, once=arguments.command == "once")
    except SidecarError as error:
        if "log-format" not in texts or texts["log-format"].texts[-1] == "json":
            _log_fatal(error)
        raise


def _log_fatal(error: SidecarError) -> None:
    """One event on stdout, in the form of all others."""
    import structlog  # noqa: PLC0415 - the daemon imports both when it starts

    from sidecar.observability import log  # noqa: PLC0415

    writer = log.configure("error", "json", dropped=lambda: None)
    structlog.get_logger(__name__).error("fatal", reason=" ".join(str(error).splitlines()))
    writer.close()


def _check(arguments: argparse.Namespace, unknown: Sequence[str]) -> int:
    from sidecar.check import command  # noqa: PLC0415 - the daemon does not need it

    return command.main(lambda: parse(vars(arguments), os.environ, unknown), arguments.output_format)


def _demo(arguments: argparse.Namespace, unknown: Sequence[str]) -> int:
    _refuse(unknown, "--listen", "--seconds")
    try:
        from sidecar.demo import run as demo  # noqa: PLC0415 - the daemon never imports the simulator
    except ImportError as error:
        raise SidecarError("The demo is not in the image: run python -m sidecar demo in a checkout.") from error
    return demo.main(arguments.listen, arguments.seconds)


def _formats(arguments: argparse.Namespace, unknown: Sequence[str]) -> int:
    from sidecar.formats import samples  # noqa: PLC0415 - the daemon does not need them

    del arguments
    _refuse(unknown)
    print(samples.text(), end="")  # noqa: T201
    return 0


COMMANDS = {"run": _follow, "once": _follow, "check": _check, "demo": _demo, "formats": _formats}


def _refuse(unknown: Sequence[str], *flags: str) -> None:
    if unknown:
        raise SettingsError(inputs.unknown_arguments(unknown, flags))


def parse(arguments: Mapping[str, object], environ: Mapping[str, str], unknown: Sequence[str] = ()) -> Settings:
    """The settings of ``run``, ``once`` and ``check``.

    Args:
        arguments: what argparse found, by field of the option.
        environ: the environment.
        unknown: the words that argparse did not know.

    Raises:
        SettingsError: with everything that is wrong.
    """
    return resolve(*_given(arguments, environ, unknown))


def _given(arguments: Mapping[str, object], environ: Mapping[str, str], unknown: Sequence[str]) -> inputs.Inputs:
    """All texts by name of the option, those that take precedence last, and what was wrong."""
    flags = {option.flag for option in OPTIONS} | {CONFIG_FLAG}
    config = arguments.get("config") or environ.get(CONFIG_VARIABLE)
    in_file, file_problems = _from_file(Path(str(config))) if config else ({}, [])
    in_environment, environment_problems = inputs.from_environment(environ)
    problems = [*inputs.unknown_arguments(unknown, flags), *file_problems, *environment_problems]
    return in_file | in_environment | inputs.from_arguments(arguments), problems


def _from_file(path: Path) -> inputs.Inputs:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        return {}, [f"{CONFIG_FLAG} {path} cannot be read: {reason}."]
    return inputs.from_yaml(str(path), text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="membership-sidecar",
        description="Keeps a file on a shared volume up to date with the current members of a Kubernetes Service.",
        allow_abbrev=False,
        formatter_class=FORMATTER,
    )
    parser.add_argument("--version", action="version", version=f"membership-sidecar {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    options = _options()
    for name, summary in SUMMARIES.items():
        command = _add(commands, name, summary, options)
        if name == "check":
            text = "The format of the report: text, or json for programs. Default: text."
            command.add_argument("--output-format", choices=("text", "json"), default="text", help=text)
    demo = _add(commands, "demo", "show the sidecar at work on a simulated cluster; no Kubernetes needed")
    text = "The address at which the sidecar serves /status and /metrics. Default: a free port."
    demo.add_argument("--listen", default="127.0.0.1:0", metavar="ADDRESS:PORT", help=text)
    text = "How many seconds the demo takes. Default: 56."
    demo.add_argument("--seconds", default=56.0, type=float, metavar="NUMBER", help=text)
    _add(commands, "formats", "list every format, its readers and a sample")
    return parser


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
    *parents: argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    """Add a command; one with many options has a short usage line."""
    return commands.add_parser(
        name,
        parents=parents,
        usage=f"membership-sidecar {name} [OPTION ...]" if parents else None,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        allow_abbrev=False,
        formatter_class=FORMATTER,
    )


def _options() -> argparse.ArgumentParser:
    """All options, for the commands that take them; made once."""
    parser = argparse.ArgumentParser(add_help=False, formatter_class=FORMATTER)
    text = f"A YAML file with options, whose keys are the names below without the dashes ({CONFIG_VARIABLE})."
    parser.add_argument(CONFIG_FLAG, metavar="FILE", help=text)
    for section in SECTIONS:
        group = parser.add_argument_group(section.title)
        for option in section.options:
            default = f" Default: {option.default}." if option.default else ""
            text = f"{option.text}{default} ({option.variable})".replace("%", "%%")
            group.add_argument(option.flag, dest=option.field, metavar=option.value, action="append", help=text)
    return parser
