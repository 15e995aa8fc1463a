"""Figures embedded in a page, in its colours."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from eval.report.drawing import BACKGROUND, CAPTION, DARK, INK, PALETTE, Plot

_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
_LEFT_OUT = (f"{_SVG}style", f"{_SVG}metadata")


def palette_css() -> str:
    """Return the style rules that give every method its colour, in figures and beside them, in light and dark mode."""

    def rules(colours: tuple[str, ...]) -> str:
        return "".join(
            f".s{n}{{stroke:{c}}}.f{n}{{fill:{c}}}.cards .m{n}{{border-top-color:{c}}}" for n, c in enumerate(colours)
        )

    return f"{rules(PALETTE)}@media screen and (prefers-color-scheme:dark){{{rules(DARK)}}}"


def inline_svg(plot: Plot, label: str, prefix: str) -> str:
    """Return a figure as an element of the page, with unique ids, the page's colours and no style attribute.

    It has no background and no caption, since the page has both.

    A content security policy without `unsafe-inline` drops style attributes; SVG has presentation attributes instead.

    Args:
        plot: the figure.
        label: for readers who can't see the figure.
        prefix: of the ids, one per figure of a page.
    """
    root = ET.fromstring(plot.svg)
    for parent in list(root.iter()):
        for child in [c for c in parent if c.tag in _LEFT_OUT or c.get("id") in (BACKGROUND, CAPTION)]:
            parent.remove(child)
    x, y, width, height = map(float, root.attrib["viewBox"].split())
    root.attrib["viewBox"] = f"{x:g} {y:g} {width:g} {height - plot.foot:g}"
    for element in root.iter():
        _restyle(element, prefix)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib.update({"role": "img", "aria-label": label, "stroke-linejoin": "round"})
    ET.register_namespace("", _SVG[1:-1])
    return ET.tostring(root, encoding="unicode")


def _restyle(element: ET.Element, prefix: str) -> None:
    attributes, classes = element.attrib, []
    for declaration in attributes.pop("style", "").split(";"):
        name, _, value = declaration.partition(":")
        if value:
            attributes[name.strip()] = value.strip()
    for name, letter in (("stroke", "s"), ("fill", "f")):
        if attributes.get(name) == INK:
            attributes[name] = "currentColor"
        elif attributes.get(name) in PALETTE:
            classes.append(f"{letter}{PALETTE.index(attributes[name])}")
    if element.tag == f"{_SVG}text" and "fill" not in attributes:
        attributes["fill"] = "currentColor"
    if classes:
        attributes["class"] = " ".join(classes)
    if "id" in attributes:
        attributes["id"] = f"{prefix}-{attributes['id']}"
    if link := attributes.pop(f"{_XLINK}href", None):
        attributes["href"] = f"#{prefix}-{link[1:]}"
    if "clip-path" in attributes:
        attributes["clip-path"] = attributes["clip-path"].replace("url(#", f"url(#{prefix}-")
