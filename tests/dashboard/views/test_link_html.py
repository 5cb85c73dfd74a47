"""Links as HTML: whatever a store's texts are, they are texts, and the address is the view's."""

from xml.etree import ElementTree

import pytest
import streamlit as st

from dashboard.server.streamlit_options import streamlit_options
from dashboard.views import link_html
from dashboard.views.definitions import ChannelsView, OverviewView
from dashboard.views.link_html import Cell, Column, Row
from dashboard.views.navigation import address, address_up_to
from dashboard.widgets.header import STYLE

HOSTILE = """<img src=x onerror=alert(1)>"'&</td><script>"""


@pytest.fixture
def drawn(monkeypatch):
    """What was drawn as HTML, read as XML: markup that a text brings in would be elements of it."""
    bodies = []
    monkeypatch.setattr(st, "html", bodies.append)
    return lambda: ElementTree.fromstring(bodies[-1])


def test_texts_of_a_store_stay_texts(drawn):
    view = ChannelsView(HOSTILE, "1", layer=HOSTILE)
    columns = (Column(HOSTILE, HOSTILE), Column("Share", is_number=True), Column("Other", sorted_view=view))
    row = Row(view, [HOSTILE, Cell(HOSTILE, view, 0.5), HOSTILE])
    link_html.link_table(columns, [row], HOSTILE)
    table = drawn().find("table")
    assert table.get("aria-label") == HOSTILE and table.find("thead/tr/th").get("title") == HOSTILE
    assert ["".join(cell.itertext()) for cell in table.find("tbody/tr")] == [HOSTILE] * 3
    assert {link.get("href") for link in table.iter("a")} == {address(view)}
    assert {each.tag for each in table.iter()} <= {"table", "thead", "tbody", "tr", "th", "td", "a", "span"}


def test_a_title_says_how_the_rows_are_sorted(drawn):
    view = ChannelsView("digits", "1")
    link_html.link_table([Column("Name", sorted_view=view, order="descending"), Column("Kind")], [], "Layers")
    first, second = drawn().find("table/thead/tr")
    assert (first.get("aria-sort"), second.get("aria-sort")) == ("descending", None)
    assert first.find("a").get("href") == address(view) and second.find("a") is None


def test_an_address_of_the_first_page_leads_to_it_from_every_page():
    assert address(OverviewView("digits", "1")).startswith("./?store=digits&")


def test_a_link_to_many_images_carries_no_proof():
    assert "proof" not in address_up_to(ChannelsView("digits", "1", proof="run.1"), "rank")


def test_the_colors_of_html_are_those_of_the_theme():
    options = streamlit_options()
    for name, option in (("accent", "primaryColor"), ("panel", "secondaryBackgroundColor")):
        light, dark = (options[f"theme.{scheme}.{option}"] for scheme in ("light", "dark"))
        assert f"--{name}: light-dark({light}, {dark});" in STYLE.read_text()
