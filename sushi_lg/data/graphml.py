"""Directed graphs with one text an edge, in and out of GraphML.

Read with the parser of the standard library, from files of strangers: no file above a size is looked at, and none with
a document type, where entities are declared that would unfold into gigabytes or into other files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from sushi_lg.data.files import atomic_path
from sushi_lg.errors import DataError

MAX_BYTES = 1 << 20
_NAMESPACE = "http://graphml.graphdrawing.org/xmlns"


@dataclass(frozen=True)
class LabelledGraph:
    """A directed graph.

    Attributes:
        nodes: Names in order of appearance, each once.
        edges: ``(source, target, text)`` in the order of the file; a pair may occur several times.
    """

    nodes: tuple[str, ...]
    edges: tuple[tuple[str, str, str], ...]


def read_labelled_graph(path: str | Path, attribute: str) -> LabelledGraph:
    """Read nodes and edges; an edge without the attribute has an empty text, other attributes are not looked at.

    Args:
        path: The file, UTF-8.
        attribute: Name of the attribute of edges.

    Raises:
        DataError: file too large, not UTF-8, not XML, with a document type, or an edge without ends; names the line
            where there is one.
    """
    path = Path(path)
    remedy = "write the graph again, for instance with networkx"
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path}: {path.stat().st_size} bytes, more than {MAX_BYTES}", remedy)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text", remedy) from error
    if "\0" in text:  # the parser would take it for UTF-16, and read what is not seen here
        raise DataError(f"{path}: not UTF-8 text", remedy)
    if "<!DOCTYPE" in text:
        raise DataError(f"{path}: has a document type, which no graph needs", "delete the <!DOCTYPE ...>")
    try:
        # The encoding is given: the parser reads the characters looked at above, whatever the file says it is in.
        root = ElementTree.fromstring(text.encode(), ElementTree.XMLParser(encoding="utf-8"))
    except ElementTree.ParseError as error:
        raise DataError(f"{path}:{error.position[0]}: not XML ({error})", remedy) from error
    keys = {
        element.get("id")
        for element in root.iter()
        if _tag(element) == "key" and element.get("for") in ("edge", "all") and element.get("attr.name") == attribute
    }
    nodes: dict[str, None] = {}
    edges: list[tuple[str, str, str]] = []
    for element in root.iter():
        if _tag(element) == "node":
            nodes.setdefault(element.get("id") or "")
        elif _tag(element) == "edge":
            source, target = element.get("source"), element.get("target")
            if not source or not target:
                raise DataError(f"{path}: an edge without source or target", remedy)
            edges.append((source, target, _text_of(element, keys)))
    for source, target, _ in edges:  # nodes need not be declared
        nodes.setdefault(source)
        nodes.setdefault(target)
    return LabelledGraph(tuple(nodes), tuple(edges))


def write_labelled_graph(path: str | Path, graph: LabelledGraph, attribute: str) -> None:
    """Write the graph as networkx would; texts and names are escaped."""
    root = ElementTree.Element("graphml", {"xmlns": _NAMESPACE})
    key = {"id": "d0", "for": "edge", "attr.name": attribute, "attr.type": "string"}
    ElementTree.SubElement(root, "key", key)
    body = ElementTree.SubElement(root, "graph", {"edgedefault": "directed"})
    for node in graph.nodes:
        ElementTree.SubElement(body, "node", {"id": node})
    for source, target, text in graph.edges:
        edge = ElementTree.SubElement(body, "edge", {"source": source, "target": target})
        ElementTree.SubElement(edge, "data", {"key": "d0"}).text = text
    ElementTree.indent(root)
    with atomic_path(path) as staged:
        staged.write_bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")


def _tag(element: ElementTree.Element) -> str:
    """Return the name of an element without its namespace, which some writers leave out."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""  # comments have no name


def _text_of(edge: ElementTree.Element, keys: set[str | None]) -> str:
    return next((child.text or "" for child in edge if _tag(child) == "data" and child.get("key") in keys), "")
