from __future__ import annotations

from pathlib import Path

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sushi_lg.data.graphml import MAX_BYTES, LabelledGraph, read_labelled_graph, write_labelled_graph
from sushi_lg.errors import DataError

_NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]), min_size=1, max_size=8)


@given(
    nodes=st.lists(_NAMES, unique=True, min_size=2, max_size=5),
    edges=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), _NAMES), max_size=6),
)
def test_there_and_back(
    tmp_path_factory: pytest.TempPathFactory, nodes: list[str], edges: list[tuple[int, int, str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "graph.graphml"
    graph = LabelledGraph(
        tuple(nodes), tuple((nodes[a % len(nodes)], nodes[b % len(nodes)], text) for a, b, text in edges)
    )
    write_labelled_graph(path, graph, "relationship")
    assert read_labelled_graph(path, "relationship") == graph


def test_networkx_reads_what_we_write_and_the_other_way_round(tmp_path: Path) -> None:
    graph = LabelledGraph(("woman0", "man0"), (("man0", "woman0", "talk.v.01,look.v.01"), ("woman0", "man0", "a<&>b")))
    write_labelled_graph(tmp_path / "ours", graph, "relationship")
    theirs = networkx.read_graphml(tmp_path / "ours")
    assert theirs.is_directed() and list(theirs) == ["woman0", "man0"]
    assert dict(theirs.edges) == {(a, b): {"relationship": text} for a, b, text in graph.edges}
    theirs.add_edge("man0", "man0", weight=2.0)
    networkx.write_graphml(theirs, tmp_path / "theirs")
    read = read_labelled_graph(tmp_path / "theirs", "relationship")
    assert read.nodes == graph.nodes and set(read.edges) == {*graph.edges, ("man0", "man0", "")}


def _write(path: Path, body: str, head: str = "") -> Path:
    key = '<key id="k" for="edge" attr.name="relationship" attr.type="string"/>'
    path.write_text(f"{head}<graphml>{key}<graph>{body}</graph></graphml>", encoding="utf-8")
    return path


def test_files_of_others(tmp_path: Path) -> None:
    edge = '<edge source="a" target="b"><data key="other">no</data><data key="k">yes</data></edge>'
    path = _write(tmp_path / "x", f'<!-- no namespace, an undeclared node --><node id="b"/>{edge}')
    assert read_labelled_graph(path, "relationship") == LabelledGraph(("b", "a"), (("a", "b", "yes"),))
    assert read_labelled_graph(path, "weight").edges == (("a", "b", ""),)


@pytest.mark.parametrize(
    ("head", "body", "message"),
    [
        ('<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>', '<node id="&b;"/>', "document type"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd">', "", "document type"),
        ("", "<node", "x:1: not XML"),
        ("", '\n<node id="&b;"/>', "x:2: not XML"),
        ("", '<edge source="a"/>', "without source or target"),
        ("", "<node/>" * (MAX_BYTES // 7), f"more than {MAX_BYTES}"),
    ],
)
def test_files_nobody_should_read(tmp_path: Path, head: str, body: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_labelled_graph(_write(tmp_path / "x", body, head), "relationship")


def test_an_encoding_does_not_hide_a_document_type(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="{}"?><!DOCTYPE x [<!ENTITY a "b">]><graphml/>'
    for encoding in ("utf-16", "utf-16-le", "utf-7"):
        path = tmp_path / "x"
        path.write_bytes(text.format(encoding).encode(encoding))
        with pytest.raises(DataError, match=r"not UTF-8|document type|not XML"):
            read_labelled_graph(path, "relationship")
