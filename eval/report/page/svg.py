"""Figures embedded in a page, in its colours."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from eval.report.figures import DARK, INK, PALETTE

_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"


def palette_css() -> str:
    """Return the style rules that give every method its colour, in figures and beside them, in light and dark mode."""

    def rules(colours: tuple[str, ...]) -> str:
        return "".join(
            f".s{n}{{stroke:{c}}}.f{n}{{fill:{c}}}.cards .m{n}{{border-top-color:{c}}}" for n, c in enumerate(colours)
        )

    return f"{rules(PALETTE)}@media screen and (prefers-color-scheme:dark){{{rules(DARK)}}}"


def inline_svg(data: bytes, label: str, prefix: str) -> str:
    """Return a figure as an element of the page, with unique ids, the page's colours and no style attribute.

    A content security policy without `unsafe-inline` drops style attributes; SVG has presentation attributes instead.

    Args:
        data: the SVG file.
        label: for readers who can't see the figure.
        prefix: of the ids, one per figure of a page.
    """
    root = ET.fromstring(data)
    for parent in list(root.iter()):
        for child in [c for c in parent if c.tag in (f"{_SVG}style", f"{_SVG}metadata")]:
            parent.remove(child)
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
