r"""Bytes of one file in, facts about that file out.

Belongs here: choosing which tree entries are worth reading (``selection``, ``ignore``), telling
text from binary and one language from another (``text``, ``languages``), running tree-sitter's
grammars and our queries over a file (``grammars``, ``syntax``, ``captures``, ``queries/*.scm``),
turning what they captured into ``FileFacts`` (``files``, ``symbols``, ``symbol_table``,
``comments``, ``imports``, ``term_counts``, ``prose``), and doing so in processes of their own
(``pool``). Does not belong here: anything that needs a second file (resolving imports, calls and
bases is ``graph``), git, or disk.

The facts of a file are a function of its bytes and of ``get_path_hint(path)`` alone. What cannot be
indexed becomes a ``SkippedFile`` with a reason; no content of a repository ends in an exception.

How import targets are written in ``FileFacts.imports`` (duplicates dropped, order kept)
----------------------------------------------------------------------------------------

===================== =================================== ==========================================
language              source                              entries
===================== =================================== ==========================================
python                ``import x.y as z``                 ``x.y``
python                ``from pkg.mod import a, b as c``   ``pkg.mod:a``, ``pkg.mod:b``
python                ``from ..a.b import c``             ``..a.b:c``
python                ``from . import c``                 ``.:c``
python                ``from m import *``                 ``m:*``
javascript/typescript ``import x from "./m"``,            ``./m`` (the module string)
                      ``export * from "./m"``,
                      ``require("./m")``,
                      ``import("./m")``
go                    ``import f "a.org/b/c"``            ``a.org/b/c``
rust                  ``use crate::a::{self, b as c, *}`` ``crate::a``, ``crate::a::b``,
                                                          ``crate::a::*``
rust                  ``mod foo;``                        ``self::foo``
rust                  ``extern crate foo;``               ``foo``
java                  ``import a.b.C;``                   ``a.b.C``
java                  ``import static a.b.C.m;``          ``a.b.C.m``
java                  ``import a.b.*;``                   ``a.b.*``
c/cpp                 ``#include <vector>``               ``<vector>`` (brackets kept)
c/cpp                 ``#include "a/b.h"``                ``"a/b.h"`` (quotes kept)
ruby                  ``require "a/b"``                   ``require:a/b``
ruby                  ``require_relative "../b"``         ``require_relative:../b``
csharp                ``using A.B;``,                     ``A.B``
                      ``using static A.B;``,
                      ``using X = A.B;``
php                   ``use A\B\C as D;``                ``A\B\C`` (no leading backslash)
php                   ``use A\{B, C\D};``               ``A\B``, ``A\C\D``
php                   ``require __DIR__ . "/x.php";``     ``include:x.php`` (string, leading ``/``
                                                          dropped after a prefix)
bash                  ``source "$DIR/lib.sh"``, ``. x``   ``$DIR/lib.sh``, ``x`` (quotes stripped)
===================== =================================== ==========================================

``.tsx`` files have the language ``typescript``, ``.jsx`` files ``javascript``.
"""

from ingestion_pipeline.parse.languages import get_path_hint
from ingestion_pipeline.parse.results import ParsedFile

__all__ = ["ParsedFile", "get_path_hint"]
