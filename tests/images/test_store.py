"""An image is rebuilt if and only if something that it is built from has changed. No image is built here."""

from pathlib import Path

from tests.images.store import digest


def tree(root: Path) -> Path:
    """A directory with a file and a program."""
    (root / "code").mkdir()
    (root / "code" / "module.py").write_text("1")
    (root / "program").write_text("2")
    return root


def test_digest_is_of_what_is_there(tmp_path: Path) -> None:
    """Text, content, name and mode count; byte code does not."""
    root = tree(tmp_path)
    found = [digest("recipe", root)]
    assert digest("recipe", root) == found[0]
    (root / "code" / "module.pyc").write_text("3")
    assert digest("recipe", root) == found[0]

    found.append(digest("another recipe", root))
    (root / "code" / "module.py").write_text("4")
    found.append(digest("recipe", root))
    (root / "program").chmod(0o755)
    found.append(digest("recipe", root))
    (root / "program").rename(root / "another")
    found.append(digest("recipe", root))
    assert len(set(found)) == len(found)
