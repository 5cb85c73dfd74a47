"""What all tests share."""

import pytest

from tests.support.page_options import set_page_options


@pytest.fixture(scope="session", autouse=True)
def page_options() -> None:
    set_page_options()
