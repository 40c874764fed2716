"""One small file per language against the facts written next to it, every one of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingestion_pipeline.core.code import FileFacts, Reference, SourceFile
from ingestion_pipeline.parse.files import parse_file
from ingestion_pipeline.parse.grammars import GRAMMARS

SAMPLES = Path(__file__).parent / "samples"
# The samples end in .txt, so that no tool takes them for code of this project.
NAMES = sorted(path.name.removesuffix(".txt") for path in SAMPLES.glob("*.txt"))


def describe_facts(facts: FileFacts) -> dict[str, Any]:
    """Return facts in the form of the expected files: symbols named by key, "" for the file."""

    def name(index: int) -> str:
        return facts.symbols[index].key if index >= 0 else ""

    def refer(references: tuple[Reference, ...]) -> list[list[str]]:
        return [[name(reference.symbol), reference.name] for reference in references]

    return {
        "language": facts.language,
        "line_count": facts.line_count,
        "docstring": facts.docstring,
        "symbols": [
            {
                "kind": symbol.kind.value,
                "name": symbol.name,
                "key": symbol.key,
                "parent": name(symbol.parent),
                "lines": [symbol.start_line, symbol.end_line],
                "signature": symbol.signature,
                "docstring": symbol.docstring,
            }
            for symbol in facts.symbols
        ],
        "imports": list(facts.imports),
        "calls": refer(facts.calls),
        "bases": refer(facts.bases),
    }


def test_every_language_has_a_sample():
    languages = set(GRAMMARS) - {"tsx"} | {"markdown", "text"}

    assert {name.split(".")[0] for name in NAMES} == languages


@pytest.mark.parametrize("name", NAMES)
def test_sample_has_exactly_the_expected_facts(name: str):
    content = (SAMPLES / f"{name}.txt").read_bytes()
    expected = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))

    facts = parse_file(SourceFile(path=f"src/{name}", blob_sha="0" * 40, content=content))

    assert isinstance(facts, FileFacts)
    assert describe_facts(facts) == expected
    assert (facts.size_bytes, facts.blob_sha) == (len(content), "0" * 40)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith(("text", "mark"))])
@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"])
def test_line_ends_and_byte_order_mark_change_nothing(name: str, line_end: bytes):
    content = (SAMPLES / f"{name}.txt").read_bytes()
    expected = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    changed = b"\xef\xbb\xbf" + content.replace(b"\n", line_end)

    facts = parse_file(SourceFile(path=name, blob_sha="", content=changed))

    assert isinstance(facts, FileFacts)
    assert describe_facts(facts) == expected


def test_tsx_has_the_symbols_of_typescript_and_calls_components():
    source = b"""export const Page = ({ title }: Props) => <Frame><Menu.Item to="x" /></Frame>;"""

    facts = parse_file(SourceFile(path="page.tsx", blob_sha="", content=source))

    assert isinstance(facts, FileFacts)
    assert facts.language == "typescript"
    assert [symbol.key for symbol in facts.symbols] == ["Page"]
    assert {call.name for call in facts.calls} == {"Frame", "Item"}
