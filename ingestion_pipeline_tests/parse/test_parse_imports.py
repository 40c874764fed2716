"""Import targets that the samples do not show."""

import pytest

from ingestion_pipeline.core.code import FileFacts, SourceFile
from ingestion_pipeline.parse.files import parse_file


@pytest.mark.parametrize(
    ("path", "source", "imports"),
    [
        ("a.py", "import a, b.c as d\nimport a\n", ("a", "b.c")),
        ("a.py", "from . import (x,\n  y as z)\n", (".:x", ".:y")),
        ("a.py", "from ... a . b import c\n", ("...a.b:c",)),
        ("a.py", "from __future__ import annotations\n", ()),
        ("a.py", "def f():\n  from a import b\n", ("a:b",)),
        ("a.js", "import './side.css'\n", ("./side.css",)),
        ("a.js", "const { a } = require(`./b`), c = load('./d')\n", ()),
        ("a.ts", "import type { A } from '@scope/pkg'\n", ("@scope/pkg",)),
        ("a.go", 'package a\nimport _ "x/y"\nimport "z"\n', ("x/y", "z")),
        ("a.rs", "use a;\npub use super::b::*;\n", ("a", "super::b::*")),
        ("a.rs", "use {a::b, c::{self as d, e::{f, g}}};", ("a::b", "c", "c::e::f", "c::e::g")),
        ("a.rs", "mod inline { use self::x; }\n", ("self::x",)),
        ("a.java", "import a . b . C ;\n", ("a.b.C",)),
        ("a.c", "#  include <sys/a.h>\n#include MACRO\n", ("<sys/a.h>",)),
        ("a.rb", "require File.join('a')\nfoo 'b'\nrequire('c')\n", ("require:c",)),
        ("a.cs", "using var x = Open();\nusing (a) { }\nusing A;\n", ("A",)),
        ("a.php", "<?php use \\A\\B; use C, D as E;", ("A\\B", "C", "D")),
        ("a.php", "<?php include $file; require('a/b.php');", ("include:a/b.php",)),
        ("a.sh", 'source a.sh extra\n. "$X/b.sh"\necho c.sh\n', ("a.sh", "$X/b.sh")),
        ("a.md", "import a\n", ()),
    ],
)
def test_import_targets(path: str, source: str, imports: tuple[str, ...]):
    facts = parse_file(SourceFile(path=path, blob_sha="", content=source.encode()))

    assert isinstance(facts, FileFacts)
    assert facts.imports == imports
