"""Changing what a YAML text says by changing as little of it as can be: comments, order and spelling stay."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import yaml

from realtime.settings import YamlLoader

Edit = tuple[int, int, str]


class _Dumper(yaml.SafeDumper):
    """YAML as config.yaml has it: lists are indented, and `off` needs no quotes."""

    yaml_implicit_resolvers = YamlLoader.yaml_implicit_resolvers

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def revised(text: str, now: dict[str, Any], target: dict[str, Any], lean: dict[str, Any]) -> str:
    """The text, changed so that it says `target`.

    now: what it says, with every key that it leaves out.  target: the same keys.  lean: the target without what need not
    be written, where a part of it has to be written anew.  Raises ValueError for a text that is no map of sections.
    """
    root = YamlLoader(text).get_single_node()
    if root is None:
        return text + ("" if not text or text.endswith("\n") else "\n") + (block(lean, 0) if lean else "")
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise ValueError("got something else, expected sections one below the other")
    edits: list[Edit] = []
    _Reviser(text, edits).map(root, now, target, lean)
    return _applied(text, (0, len(text)), edits)


def block(value: Any, column: int) -> str:
    """A value over several lines that begin at a column."""
    lines = str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6)).splitlines()
    return "".join(f"{' ' * column}{line}\n" for line in lines)


def inline(value: Any) -> str:
    """A value within a line."""
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6, default_flow_style=True)
    return str(text).removesuffix("\n").removesuffix("\n...")


class _Reviser:
    """Collects the edits, each (start, end, new text) in characters, of which none touches another."""

    def __init__(self, text: str, edits: list[Edit]) -> None:
        self._text, self._edits = text, edits

    def map(self, node: yaml.MappingNode, now: dict[Any, Any], target: dict[Any, Any], lean: dict[Any, Any]) -> None:
        """Change what differs in a map over several lines, and add what is not written."""
        written = {_plain(key): (key, value) for key, value in node.value}
        added: dict[Any, Any] = {}
        for key, value in target.items():
            if key in now and now[key] == value:
                continue
            if key in written:
                self._value(*written[key], now.get(key), value, lean.get(key, value))
            else:
                added[key] = lean.get(key, value)
        if added:
            self._insert(self._line_end(self._end(node)), block(added, node.start_mark.column))

    def _value(self, key: yaml.Node, node: yaml.Node, now: Any, target: Any, lean: Any) -> None:
        wide = isinstance(node, yaml.CollectionNode) and not node.flow_style
        if wide and isinstance(node, yaml.MappingNode) and _alike(now, target):
            self.map(node, now, target, lean if isinstance(lean, dict) else target)
        elif wide and isinstance(node, yaml.SequenceNode) and isinstance(target, list) and target and len(node.value) == len(now or ()):
            self._list(node, now, target, lean)
        elif wide:
            end = self._line_end(self._end(node))
            column = node.start_mark.column
            new = f" {inline(lean)}\n" if not lean or not isinstance(lean, (dict, list)) else "\n" + block(lean, column)
            self._edits.append((self._colon(key), end, new))
        elif isinstance(node, yaml.MappingNode) and _alike(now, target):
            kept = {_plain(inner): target[_plain(inner)] for inner, _ in node.value} | _changes(now, target, target)
            self._edits.append((node.start_mark.index, node.end_mark.index, inline(kept)))
        elif node.start_mark.index == node.end_mark.index and isinstance(lean, dict) and lean:
            self._insert(self._line_end(self._colon(key)), block(_changes(now, target, lean), key.start_mark.column + 2))
        elif node.start_mark.index == node.end_mark.index:
            self._edits.append((self._colon(key), self._colon(key), f" {inline(lean)}"))
        else:
            self._edits.append((node.start_mark.index, self._end(node), inline(lean)))

    def _list(self, node: yaml.SequenceNode, now: list[Any], target: list[Any], lean: Any) -> None:
        """Entries that stay keep their lines, wherever they go; one that changes in its place is changed there."""
        spans = [(self._line_start(item.start_mark.index), self._line_end(self._end(item))) for item in node.value]
        free, lines = set(range(len(now))), []
        for place, value in enumerate(target):
            match = next((index for index in sorted(free) if now[index] == value), None)
            if match is None and place in free and now[place] not in target and _alike(now[place], value):
                inner: list[Edit] = []
                item = node.value[place]
                if isinstance(item, yaml.MappingNode) and not item.flow_style:
                    _Reviser(self._text, inner).map(item, now[place], value, value)
                    free.discard(place)
                    lines.append(_applied(self._text, spans[place], inner))
                    continue
            if match is None:
                lines.append(block([lean[place] if isinstance(lean, list) else value], node.start_mark.column))
            else:
                free.discard(match)
                lines.append(self._text[slice(*spans[match])])
        # Comments between the entries belong to the ones they stand above.
        gaps = [self._text[end:start] for (_, end), (start, _) in pairwise(spans)]
        kept = "".join(gap for gap in gaps if gap.strip())
        self._edits.append((spans[0][0], spans[-1][1], kept + "".join(_ended(line) for line in lines)))

    def _insert(self, place: int, new: str) -> None:
        ended = place == 0 or self._text[place - 1] == "\n"
        self._edits.append((place, place, new if ended else "\n" + new))

    def _end(self, node: yaml.Node) -> int:
        """Where a node's last character is, comments behind it left out."""
        if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
            last = node.value[-1]
            if isinstance(last, tuple):
                return self._colon(last[0]) if last[1].start_mark.index == last[1].end_mark.index else self._end(last[1])
            return self._end(last)
        # The end of a text over several lines is told as the beginning of what follows.
        end: int = node.end_mark.index
        return len(self._text[:end].rstrip()) if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">") else end

    def _colon(self, key: yaml.Node) -> int:
        return self._text.index(":", key.end_mark.index) + 1

    def _line_start(self, place: int) -> int:
        return self._text.rfind("\n", 0, place) + 1

    def _line_end(self, place: int) -> int:
        found = self._text.find("\n", place)
        return len(self._text) if found < 0 else found + 1


def _applied(text: str, span: tuple[int, int], edits: Sequence[Edit]) -> str:
    piece = text[slice(*span)]
    # From the back, so that places stay true; what is put in at one place stays in its order.
    for (start, end, new), _ in sorted(zip(edits, range(len(edits)), strict=True), key=lambda each: (*each[0][:2], each[1]), reverse=True):
        piece = piece[: start - span[0]] + new + piece[end - span[0] :]
    return piece


def _changes(now: Any, target: dict[Any, Any], lean: dict[Any, Any]) -> dict[Any, Any]:
    return {key: lean.get(key, value) for key, value in target.items() if not isinstance(now, dict) or now.get(key) != value}


def _alike(now: Any, target: Any) -> bool:
    """Whether two maps have the same keys, so that one can be changed into the other."""
    return isinstance(now, dict) and isinstance(target, dict) and now.keys() == target.keys() and now.get("kind") == target.get("kind")


def _plain(key: yaml.Node) -> Any:
    return int(key.value) if key.tag == "tag:yaml.org,2002:int" else key.value


def _ended(line: str) -> str:
    return line if line.endswith("\n") else line + "\n"


__all__ = ["block", "inline", "revised"]
