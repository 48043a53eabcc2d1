"""A hook of mkdocs: files outside `docs/` that the pages link to (examples, the changelog) become part of the site.

In the repository, and on its web page, links are relative to the files' real places. On the site `docs/` is the root, and a
file outside of it keeps its path from the repository's root.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
IN_NAVIGATION = ["CHANGELOG.md", "CONTRIBUTING.md"]
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files that the navigation names, and each file that is linked, from page to page."""
    waiting = [file for file in files if file.is_documentation_page()]
    waiting += [add(path, files, config) for path in IN_NAVIGATION]
    for page in waiting:
        for link in LINK.findall(page.content_string):
            target = in_repository(page, link)
            if site_path(target) not in files.src_uris and (ROOT / target).is_file():
                file = add(target, files, config)
                waiting += [file] if file.is_documentation_page() else []
    return files


def add(path: str, files: Files, config: MkDocsConfig) -> File:
    """Add a file of the repository."""
    file = File.generated(config, path, abs_src_path=str(ROOT / path))
    files.append(file)
    return file


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point each link at its target's place on the site."""
    here = posixpath.dirname(page.file.src_uri)
    return LINK.sub(lambda link: posixpath.relpath(site_path(in_repository(page.file, link[1])), here or "."), markdown)


def in_repository(page: File, link: str) -> str:
    """The path, from the repository's root, of what a page links to."""
    source = Path(page.abs_src_path or "").relative_to(ROOT).as_posix()
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))


def site_path(path: str) -> str:
    """Where a file of the repository lies on the site; the README's place is the first page's."""
    return "index.md" if path == "README.md" else path.removeprefix("docs/")
