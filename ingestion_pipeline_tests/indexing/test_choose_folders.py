from ingestion_pipeline.indexing.embed import choose_folders


def test_folders_of_the_root_colour_a_flat_project() -> None:
    paths = ["a/x.py", "a/b/y.py", "c/z.py", "README.md"]
    assert choose_folders(paths) == ["a", "a", "c", ""]


def test_a_folder_that_holds_nearly_everything_gives_way_to_its_own_folders() -> None:
    paths = ["README.md", "src/p/__init__.py", "src/p/a/x.py", "src/p/a/y.py", "src/p/b/z.py"]
    assert choose_folders(paths) == ["", "src/p", "src/p/a", "src/p/a", "src/p/b"]


def test_files_of_one_folder_stay_in_it() -> None:
    assert choose_folders(["x.py", "y.py"]) == ["", ""]
    assert choose_folders(["a/b/x.py", "a/b/y.py", "a/b/z.py"]) == ["a/b"] * 3
