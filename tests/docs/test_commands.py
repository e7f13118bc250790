"""Commands in messages, help, comments and pages work as typed: the real parsers take them, and their files exist."""

import ast
import contextlib
import functools
import io
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from snakemake.cli import get_argument_parser

from parley.cli.main import make_parser
from parley.cli.run import targets_first

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "config/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PYTHON = [*sorted((ROOT / "src").rglob("*.py")), *sorted((ROOT / "workflow/scripts").glob("*.py"))]
OTHERS = sorted(
    path
    for folder in ("config", "profiles", "src", "workflow")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".smk", ".yaml", ".rst", ".j2", ".js")
)
OTHERS = [ROOT / "Snakefile", ROOT / "config.yaml", *OTHERS]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
RULES = {
    name
    for path in (ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk"))
    # A rule of each group of classes or seeds has a suffix; all are selected by the common name.
    for names in re.findall(r"^ *(?:rule|checkpoint) (\w+):$|^ *name:\n *f\"(\w+?)_?\{", path.read_text(), re.MULTILINE)
    for name in filter(None, names)
}
# Of a crate's README, for whoever has Parley installed; and an option with its value, which a page names.
BARE = {"parley verify results/x", "parley train --set training.steps=20"}
INLINE = re.compile(r"(?:`|<code>)((?:[A-Z_]+=\S+\s+)*(?:uv|snakemake|parley)(?:\s[^`]*?)?)(?:`|</code>)")
FENCE = re.compile(r"^ *```(?:sh|bash|console|text)?\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
TYPED = re.compile(r"(?:[A-Z_]+=\S+ +)*(?:uv|snakemake|parley) |\(cd ")


def inline(text):
    """Commands between backticks, which a page or a comment may break into lines, or in a template of HTML."""
    filled = re.sub(r"\{\{.*?\}\}", "results/x", text)
    return [re.sub(r"\s+(# )?", " ", command) for command in INLINE.findall(filled)]


def in_strings(text):
    """Commands in the strings of Python code; an f-string fills in the path of an experiment."""
    tree = ast.parse(text)
    filled = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield from inline(
                "".join(part.value if isinstance(part, ast.Constant) else "results/x" for part in node.values)
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in filled:
            yield from inline(node.value)


def in_page(text):
    """Commands of a page, inline and in its blocks."""
    yield from inline(FENCE.sub("", text))
    for block in FENCE.findall(text):
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            if TYPED.match(command := line.strip().removeprefix("$ ")):
                yield command


def split(command):
    """The words of each command in a line of shell, without comments and redirections."""
    words = shlex.shlex(re.sub(r"<[\w -]+>", "X", command), posix=True, punctuation_chars=True)
    words.whitespace_split, one = True, []
    for word in words:
        if set(word) <= set("();<>|&"):
            yield one
            one = []
        elif one or not re.fullmatch(r"[A-Z_]+=.*", word):
            one.append(word)
    yield one


@functools.cache
def parsers():
    """Snakemake's parser, Parley's, and that of each of Parley's commands."""
    return get_argument_parser(), *make_parser()


def parsed(parser, words):
    """What a parser makes of a command's words; what it says against them is the error."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            return parser.parse_args(words)
        except SystemExit as ended:
            if ended.code:
                raise ValueError(said.getvalue().strip().splitlines()[-1]) from None
    return None


def check_snakemake(words):
    chosen = parsed(parsers()[0], words)
    asks = chosen.lint or chosen.unlock or chosen.report or chosen.list_target_rules
    started = asks or chosen.cores or chosen.dryrun or chosen.profile
    assert started, "lacks --cores"
    assert len(chosen.forcerun) <= 1, "its target is taken for a second one of --forcerun"
    unknown = {name for name in {*chosen.targets, *chosen.forcerun} if re.fullmatch(r"\w+", name)} - RULES
    assert not unknown, f"no rules: {unknown}"
    files = [*map(str, chosen.configfile or []), *([f"{chosen.profile}/config.yaml"] if chosen.profile else [])]
    lost = [file for file in files if file.startswith(("config", "profiles")) and not (ROOT / file).is_file()]
    assert not lost, f"no files: {lost}"


def check_parley(words):
    if words[:1] == ["run"] and "-h" not in words:
        check_snakemake(targets_first(words[1:]))
        return
    parser = parsers()[1]
    parsed(parser, [*("status" if word == "COMMAND" else word for word in words)] or ["--help"])


def check_files(words):
    """The programs and tests that are named exist."""
    files = [word.partition("::")[0] for word in words if "/" in word and not word.startswith(("results", "-", "X"))]
    lost = [file for file in files if "-c" not in words and not (ROOT / file).exists()]
    assert not lost, f"no files: {lost}"


def check_hub(words):
    assert words == ["auth", "login"]


PROGRAMS = {
    "hf": check_hub,
    "snakemake": check_snakemake,
    "parley": check_parley,
    **dict.fromkeys(("python", "pytest", "ruff", "mypy", "mkdocs", "jupyter"), check_files),
}


def check_uv(words):
    if not words:
        return
    verb, *rest = words
    assert verb in ("run", "sync", "pip", "venv"), f"uv {verb}"
    while rest and rest[0].startswith("--"):
        option, *rest = rest
        if option == "--extra":
            extra, *rest = rest
            assert extra in EXTRAS, f"no extra {extra}"
        elif option == "--with":
            _, *rest = rest
    if verb == "run":
        program, *rest = rest
        PROGRAMS[program](rest)


def check_reference(program, words):
    """A command that a text only names, without `uv run` and perhaps in part: it exists, and so do its options."""
    snakemake, _, commands = parsers()
    if program == "snakemake":
        if words and not (len(words) == 1 and words[0] in snakemake._option_string_actions):
            check_snakemake(words)
    elif words[:1] == ["run"]:
        check_parley(words) if words[1:] else None
    elif words and not words[0].startswith("-"):
        options = commands[words[0]]._option_string_actions
        strange = [word for word in words if word.startswith("-") and word not in options]
        assert not strange, f"no options: {strange}"


def complaint(command):
    """Why a command does not work as typed, or an empty text; … stands for whatever a text leaves out."""
    try:
        for words in split(command):
            if not words or "…" in words:
                continue
            if words[0] == "uv":
                check_uv(words[1:])
            elif words[0] in ("snakemake", "parley"):
                check_reference(*words[:1], words[1:])
    except (AssertionError, KeyError, ValueError) as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return ""


def is_bare(command):
    """Whether a command to be typed lacks `uv run`; a name, with an option at most, is no such command.

    `parley run` and `parley init` are for those who installed the package without uv.
    """
    program, *words = command.split()
    if (program, *words[:1]) in (("parley", "run"), ("parley", "init")):
        return False
    names = 2 if program == "parley" else 1
    return program in ("snakemake", "parley") and len(words) > names and command not in BARE


SOURCES = {
    "strings": (in_strings, PYTHON, 60),
    "rules and configs": (inline, OTHERS, 8),
    "pages": (in_page, PAGES, 100),
}


@functools.cache
def commands_of(kind):
    """Each command of a kind of files, with the files that it stands in."""
    of, paths, at_least = SOURCES[kind]
    found = [(path, command) for path in paths for command in of(path.read_text(encoding="utf-8"))]
    assert len(found) >= at_least
    return {f"{path.relative_to(ROOT).as_posix()}: {command}": command for path, command in found}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_command_works_as_typed(kind):
    told = {place: complaint(command) for place, command in commands_of(kind).items()}
    assert {place: why for place, why in told.items() if why} == {}


@pytest.mark.parametrize("kind", SOURCES)
def test_commands_start_with_uv(kind):
    assert [place for place, command in commands_of(kind).items() if is_bare(command)] == []


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("uv run snakemake metrics", "lacks --cores"),
        ("uv run snakemake --cores 1 mesages", "no rules: {'mesages'}"),
        ("uv run snakemake --cores 1 --forcerun settle splits", "its target is taken for a second one"),
        ("uv run snakemake --cores 1 --configfile config/gone.yaml", "no files: ['config/gone.yaml']"),
        ("uv run snakemake --core-s 1", "--core-s"),
        ("uv run --extra gone snakemake --cores 1", "no extra gone"),
        ("uv sync --extra tensorboard && uv run parley verify", "required: results"),
        ("uv run parley verfy results/x", "'verfy'"),
        ("PARLEY_LONG=1 uv run --extra test pytest tests/gone.py", "no files: ['tests/gone.py']"),
        ("parley evaluate C --feature F", "no options: ['--feature']"),
        ("snakemake messages", "lacks --cores"),
    ],
)
def test_invalid_commands_are_detected(command, why):
    assert why in complaint(command)


def test_missing_uv_is_detected():
    assert inline("<p><code>snakemake --cores 1 {{ target }}</code>") == ["snakemake --cores 1 results/x"]
    (command,) = in_strings('raise E(f"{path} is damaged; run `snakemake --cores 1 {target}`.")')
    assert command == "snakemake --cores 1 results/x"
    assert is_bare(command)
    assert not any(map(is_bare, ["parley talk", "parley train --config", "snakemake -n", "uv run parley talk x.jpg"]))
