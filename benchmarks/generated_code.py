"""Made-up Python repositories of any size, the same every time."""

import random
from collections.abc import Iterator

_NOUNS = (
    "account address archive batch branch bucket buffer cache catalog channel chunk client "
    "cluster column commit config cursor customer digest document edge endpoint entry event "
    "feature field filter frame graph handle header index invoice item job journal key layer "
    "ledger limit lock matrix message metric mirror model node offset order packet page parser "
    "partition path payload pipeline point policy pool price queue query record region replica "
    "report request response route row rule schema segment sensor session shard snapshot socket "
    "source stream symbol table tenant thread ticket token topic trace tree user value vector "
    "version window worker"
).split()
_VERBS = (
    "add append apply build cancel check clear close collect compare compute convert copy count "
    "create decode delete describe encode expand export fetch find flush format gather group "
    "import insert join list load lock map mark measure merge move open parse pick plan print "
    "publish pull push rank read rebuild receive record reduce refresh release remove render "
    "repair replace request reset resolve restore retry rotate save scan schedule select send "
    "shrink sign skip sort split start stop store sum swap sync track trim update validate "
    "verify wait walk write"
).split()
_MODULES_PER_PACKAGE = 25
_FUNCTIONS_PER_MODULE = 4


def generate_files(count: int, seed: int = 0) -> Iterator[tuple[str, str]]:
    """Yield path and content of ``count`` modules with imports, calls and inheritance among them.

    A module has a class with two methods and four functions, some 1.7 KB.
    """
    draw = random.Random(seed)
    names = [f"{draw.choice(_NOUNS)}_{draw.choice(_NOUNS)}_{number}" for number in range(count)]
    for number in range(count):
        yield locate(names, number), _write_module(draw, names, number)


def locate(names: list[str], number: int) -> str:
    """Return the path of a module."""
    return f"package_{number // _MODULES_PER_PACKAGE}/{names[number]}.py"


def _write_module(draw: random.Random, names: list[str], number: int) -> str:
    others = [draw.randrange(len(names)) for _ in range(2)]
    imports = [
        f"from {locate(names, other)[:-3].replace('/', '.')} import {_class_name(names[other])}"
        for other in dict.fromkeys(others)
    ]
    base = _class_name(names[others[0]]) if others[0] != number else "object"
    head = f'"""{_sentence(draw)}\n\n{_sentence(draw)}\n"""\n\n' + "\n".join(imports)
    body = [f'class {_class_name(names[number])}({base}):\n    """{_sentence(draw)}"""\n']
    body += [_write_function(draw, indent="    ", owner="self, ") for _ in range(2)]
    functions = [_write_function(draw) for _ in range(_FUNCTIONS_PER_MODULE)]
    return "\n\n".join((head, "\n".join(body), *functions))


def _write_function(draw: random.Random, indent: str = "", owner: str = "") -> str:
    verb, noun, other = draw.choice(_VERBS), draw.choice(_NOUNS), draw.choice(_NOUNS)
    lines = [
        f"def {verb}_{noun}_{other}({owner}{noun}, {other}s=()):",
        f'    """{_sentence(draw)}"""',
        f"    {noun}_count = len({other}s)",
        f"    for {other} in {other}s:",
        f"        {noun} = {draw.choice(_VERBS)}_{draw.choice(_NOUNS)}({noun}, {other})",
        f"        {draw.choice(_NOUNS)}_{draw.choice(_NOUNS)} = {noun}.{draw.choice(_VERBS)}()",
        f"    return {noun}_count, {noun}",
    ]
    return "\n".join(indent + line for line in lines) + "\n"


def _sentence(draw: random.Random) -> str:
    nouns = [draw.choice(_NOUNS) for _ in range(4)]
    return f"{draw.choice(_VERBS).title()} the {nouns[0]} of every {nouns[1]} with its {nouns[2]}."


def _class_name(name: str) -> str:
    return "".join(part.title() for part in name.split("_"))
