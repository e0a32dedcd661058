"""Write the API reference, a static site, from the docstrings: generate_api.py [FOLDER [MODULE...]]

Every module of the package but the command line, which docs/cli.md describes. Open FOLDER/index.html.
"""

import os
import pkgutil
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from pdoc import doc, render

import radseg

DOCS = Path(__file__).parent
LEFT_OUT = r"radseg\.cli\b|.*\.__main__$"
TASKS = {
    "Quick start": "quickstart.md",
    "Words": "text.md",
    "Refinement": "refinement.md",
    "Maps": "mapping.md",
    "Questions to a map": "querying.md",
    "Evaluation": "evaluation.md",
    "Methods": "methods/README.md",
    "Command line": "cli.md",
    "Conventions": "conventions.md",
    "Specifications": "spec/README.md",
}


def module_names() -> list[str]:
    """Return the modules of the package that the reference covers, the package itself first."""
    found = [m.name for m in pkgutil.walk_packages(radseg.__path__, "radseg.")]
    return ["radseg", *(name for name in found if not re.match(LEFT_OUT, name))]


def first_line(name: str) -> str:
    """Return the first sentence of a module's docstring."""
    text = (import_module(name).__doc__ or "").split("\n\n")[0]
    return " ".join(text.split())


def contents(package: str, names: Sequence[str]) -> str:
    """Return a list of the modules directly inside `package`, which pdoc leaves out beside an `__all__`."""
    inside = [name for name in names if name.rpartition(".")[0] == package]
    lines = [f"- `{name}`: {first_line(name)}" for name in inside]
    return "\n".join(["", "", "**Modules**", "", *lines]) if lines else ""


def tasks(folder: Path) -> str:
    """Return where the pages are that explain how to do something, as links from the site's first page."""
    links = [f"[{title}]({os.path.relpath(DOCS / page, folder)})" for title, page in TASKS.items()]
    return "This is the reference. How to do something is on the task pages in `docs/`: " + " · ".join(links)


def generate(folder: Path, names: Sequence[str]) -> None:
    """Write one page per module, the first page and the index of the search."""
    for name in radseg.__all__:  # loaded when first used, which pdoc does not do
        vars(radseg)[name] = getattr(radseg, name)
    render.configure(docformat="google", footer_text=f"radseg {radseg.__version__}")
    modules = {name: doc.Module(import_module(name)) for name in names}
    for name, module in modules.items():
        above = tasks(folder) + "\n\n" if name == "radseg" else ""
        module.docstring = above + module.docstring + contents(name, names)
    for name, module in modules.items():
        page = folder / (name.replace(".", "/") + ".html")
        page.parent.mkdir(parents=True, exist_ok=True)
        html = render.html_module(module, modules)
        # Float[Tensor, 'c h w'] reads better without its module in front.
        html = html.replace('<span class="n">jaxtyping</span><span class="o">.</span>', "")
        page.write_text(html.replace("jaxtyping.", ""))
    (folder / "index.html").write_text(render.html_index(modules))
    (folder / "search.js").write_text(render.search_index(modules))


if __name__ == "__main__":
    generate(Path(*(sys.argv[1:2] or [DOCS / "api"])).resolve(), sys.argv[2:] or module_names())
