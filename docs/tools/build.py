"""Builds the site of this version into site/VERSION, next to the versions that lie there.

    python -m docs.tools.build [--site FOLDER]

The switcher in a page's header reads site/versions.js, which lists the folders. To have an older
version there, check out its tag and build: the other folders stay.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_VERSION = re.compile(r"\d+(\.\d+)*([a-z]+\d*)?")


def build(site: Path) -> Path:
    """Build strictly, without a network; return the folder of this version."""
    os.environ.setdefault("NO_MKDOCS_2_WARNING", "1")
    from mkdocs.commands.build import build as mkdocs_build
    from mkdocs.config import load_config

    import edgecnn

    site.mkdir(parents=True, exist_ok=True)
    target = site / edgecnn.__version__
    with tempfile.TemporaryDirectory(dir=site, prefix=".building-") as folder:
        built = Path(folder) / "site"
        config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(built), strict=True)
        config.plugins.on_startup(command="build", dirty=False)
        mkdocs_build(config)
        config.plugins.on_shutdown()
        shutil.rmtree(target, ignore_errors=True)
        built.rename(target)
    _list_versions(site, edgecnn.__version__)
    return target


def _list_versions(site: Path, newest: str) -> None:
    names = [path.name for path in site.iterdir() if _VERSION.fullmatch(path.name)]
    names.sort(key=_numbers, reverse=True)
    (site / "versions.js").write_text(
        f"window.edgecnnVersions = {json.dumps(names)};\n", encoding="utf-8"
    )
    (site / "index.html").write_text(
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>edgecnn</title>\n'
        f'<meta http-equiv="refresh" content="0; url={newest}/index.html">\n'
        f'<p><a href="{newest}/index.html">edgecnn {newest}</a></p>\n</html>\n',
        encoding="utf-8",
    )


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", name))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--site", type=Path, default=ROOT / "site")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    target = build(arguments.site)
    print(f"open {target / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
