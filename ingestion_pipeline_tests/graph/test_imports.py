"""Imports, per language: from what is written to the file meant."""

import pytest

from ingestion_pipeline.core.graph import Relation
from ingestion_pipeline.graph import build_graph
from ingestion_pipeline_tests.graph.facts_factory import make_file, name_edges


def resolve(importer: str, target: str, *others: str) -> set[str]:
    """Return the files that ``importer`` reaches by ``target`` among ``others``."""
    files = [make_file(importer, imports=[target]), *(make_file(path) for path in others)]
    edges = name_edges(build_graph(files), Relation.IMPORTS)
    assert {source for source, _ in edges} <= {importer}
    return {found for _, found in edges}


CASES = [
    # Python
    ("pkg/a.py", "pkg.b", ["pkg/b.py"], {"pkg/b.py"}),
    ("tests/t.py", "pkg.sub:name", ["src/pkg/sub/__init__.py"], {"src/pkg/sub/__init__.py"}),
    ("t.py", "pkg:b", ["pkg/__init__.py", "pkg/b.py"], {"pkg/__init__.py", "pkg/b.py"}),
    ("pkg/x/a.py", "..b:c", ["pkg/b.py", "pkg/b/c.py", "b.py"], {"pkg/b.py", "pkg/b/c.py"}),
    ("pkg/a.py", ".:b", ["pkg/b.py", "pkg/__init__.py"], {"pkg/b.py", "pkg/__init__.py"}),
    ("pkg/a.py", ".b:*", ["pkg/b.pyi"], {"pkg/b.pyi"}),
    ("a.py", "...b:c", ["b.py"], set()),
    ("app/a.py", "logging", ["app/__init__.py", "app/logging.py"], set()),
    ("app/a.py", "settings", ["app/settings.py"], {"app/settings.py"}),
    ("a.py", "x", ["p/x.py", "q/x.py", "r/x.py", "s/x.py"], set()),
    ("a.py", "json", ["web/json.js"], set()),
    # JavaScript and TypeScript
    ("src/a.js", "./b", ["src/b.js"], {"src/b.js"}),
    ("src/a.js", "./b.js", ["src/b.js", "src/b.js.ts"], {"src/b.js"}),
    ("src/a.ts", "../lib", ["lib/index.ts", "lib.md"], {"lib/index.ts"}),
    ("src/a.ts", "./b.js", ["src/b.ts"], {"src/b.ts"}),
    ("src/a.tsx", ".", ["src/index.tsx"], {"src/index.tsx"}),
    ("test/a.js", "..", ["index.js"], {"index.js"}),
    ("a.js", ".", ["index.js"], {"index.js"}),
    ("src/a.js", "./data.json?raw", ["src/data.json"], {"src/data.json"}),
    ("web/src/a.ts", "@/ui/button", ["web/src/ui/button.tsx"], {"web/src/ui/button.tsx"}),
    ("src/a.js", "react", ["src/react.js"], set()),
    ("a.js", "../../b", ["b.js"], set()),
    # Go
    ("cmd/m.go", "host.org/o/p/util", ["util/a.go", "util/b.go"], {"util/a.go", "util/b.go"}),
    ("cmd/m.go", "host.org/o/p/util", ["util/a.go", "util/a_test.go"], {"util/a.go"}),
    ("cmd/m.go", "h.org/p/a/util", ["a/util/x.go", "b/util/y.go"], {"a/util/x.go"}),
    ("cmd/m.go", "net/http", ["http/a.go"], set()),
    # Rust
    ("src/lib.rs", "self::foo", ["src/foo.rs"], {"src/foo.rs"}),
    ("src/a/b.rs", "crate::c::D", ["src/lib.rs", "src/c/mod.rs"], {"src/c/mod.rs"}),
    ("src/a.rs", "self::foo", ["src/a/foo.rs", "src/foo.rs"], {"src/a/foo.rs"}),
    ("src/a/b.rs", "super::c::f", ["src/a/c.rs"], {"src/a/c.rs"}),
    ("src/a/b.rs", "super::Thing", ["src/a.rs"], {"src/a.rs"}),
    ("src/a.rs", "crate::Thing", ["src/lib.rs"], {"src/lib.rs"}),
    ("app/src/m.rs", "my_core::x::Y", ["my-core/src/lib.rs", "my-core/src/x.rs"],
     {"my-core/src/x.rs"}),
    ("tests/cli.rs", "self::common", ["tests/common/mod.rs"], {"tests/common/mod.rs"}),
    ("src/main.rs", "foo::Bar", ["src/foo.rs"], {"src/foo.rs"}),
    ("src/main.rs", "std::fmt", ["src/fmt.rs", "std/src/lib.rs"], set()),
    ("src/main.rs", "crate::a::*", ["src/a.rs"], {"src/a.rs"}),
    # Java
    ("m/A.java", "org.x.B", ["src/main/java/org/x/B.java"], {"src/main/java/org/x/B.java"}),
    ("m/A.java", "org.x.B.make", ["src/org/x/B.java"], {"src/org/x/B.java"}),
    ("m/A.java", "org.x.*", ["s/org/x/B.java", "s/org/x/C.java", "s/org/y/D.java"],
     {"s/org/x/B.java", "s/org/x/C.java"}),
    ("m/A.java", "java.util.List", ["s/org/x/List.java"], set()),
    # C and C++
    ("src/a.c", '"b.h"', ["src/b.h", "include/b.h"], {"src/b.h"}),
    ("src/a.cc", "<lib/b.hpp>", ["include/lib/b.hpp", "b.hpp"], {"include/lib/b.hpp"}),
    ("src/a.c", '"../include/b.h"', ["include/b.h"], {"include/b.h"}),
    ("src/a.c", "<stdio.h>", ["src/b.h"], set()),
    # C#
    ("app/A.cs", "Acme.Web.Models", ["src/Acme.Web/Models/User.cs"],
     {"src/Acme.Web/Models/User.cs"}),
    ("app/A.cs", "Acme.Data", ["lib/Data/Db.cs"], {"lib/Data/Db.cs"}),
    ("app/A.cs", "Acme.Data", ["lib/Data/Db.cs", "old/Data/Db.cs"], set()),
    ("app/A.cs", "Acme.Data", [f"Acme/Data/{n}.cs" for n in range(9)], set()),
    ("app/A.cs", "System.Linq", ["Linq/Q.cs"], set()),
    # Ruby
    ("lib/a.rb", "require:gem/b", ["lib/gem/b.rb"], {"lib/gem/b.rb"}),
    ("lib/a.rb", "require_relative:../b", ["b.rb"], {"b.rb"}),
    ("lib/a.rb", "require_relative:b", ["b.rb"], set()),
    # PHP
    ("t/A.php", "App\\Models\\User", ["src/Models/User.php"], {"src/Models/User.php"}),
    ("t/A.php", "Lib\\Client", ["src/Client.php"], {"src/Client.php"}),
    ("t/A.php", "Exception", ["src/Exception.php"], set()),
    ("t/A.php", "include:../b.php", ["b.php"], {"b.php"}),
    # Bash
    ("bin/a.sh", "lib.sh", ["bin/lib.sh"], {"bin/lib.sh"}),
    ("bin/a.sh", "./lib/b", ["lib/b.bash", "x.sh"], {"lib/b.bash"}),
    ("bin/a.sh", '$(dirname "$0")/../lib/b.sh', ["lib/b.sh"], {"lib/b.sh"}),
    ("bin/a.sh", "$DIR/c.sh", ["deep/down/c.sh"], {"deep/down/c.sh"}),
]  # fmt: skip


@pytest.mark.parametrize(("importer", "target", "others", "expected"), CASES)
def test_import(importer: str, target: str, others: list[str], expected: set[str]) -> None:
    assert resolve(importer, target, *others) == expected


def test_no_language_stumbles_over_odd_targets() -> None:
    odd = ["", ".", "..", "...", ":", "/", "::", "*", ".*", "\\", '"', "<>", "require:", "include:",
           "../../../etc/passwd", "a//b", "$", "${", "$(", "crate", "self", "super", "super::super",
           "\x00", "é.ü"]  # fmt: skip
    endings = ["py", "js", "go", "rs", "java", "c", "cs", "rb", "php", "sh", "md"]
    files = [make_file(f"d/odd.{ending}", imports=odd) for ending in endings]

    assert name_edges(build_graph(files), Relation.IMPORTS) == set()


def test_a_go_folder_of_many_files_gives_its_first_eight() -> None:
    files = [f"pkg/{letter}.go" for letter in "abcdefghijkl"]
    assert resolve("m.go", "x.org/pkg", *files) == set(files[:8])
