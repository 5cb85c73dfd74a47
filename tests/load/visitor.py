"""One person with a browser: walks through pages, starts a live job, looks at its result, and again."""

import time
from urllib.request import urlopen

from playwright.async_api import BrowserContext, Page

from featurestore.reader import Run
from tests.load.asked import address, pages, shown_picture
from tests.load.seen import Seen, digest
from tests.support.servers.dashboard import PATIENCE, READY

DONE = "button:has-text('Compute again')"
RESULT = "img[alt^='Result of']"
FAILED = "[data-testid=stAlertContentError], [data-testid=stException]"


async def visit(context: BrowserContext, server: str, run: Run, store: str, number: int, end: float) -> Seen:
    """Until the time `end` (of time.monotonic), at least one turn; a job that has begun is waited for."""
    seen = Seen()
    page = await context.new_page()
    page.set_default_timeout(2 * PATIENCE)
    _listen(page, server, seen)
    turn = 0
    while turn == 0 or time.monotonic() < end:
        try:
            await _turn(page, server, run, store, number, turn, seen)
        except Exception as error:
            seen.errors.append(f"visitor {number}, turn {turn}: {error}")
        turn += 1
    await page.close()
    return seen


async def _turn(page: Page, server: str, run: Run, store: str, number: int, turn: int, seen: Seen) -> None:
    asked = server + address(run, store, number, turn)
    started = time.monotonic()
    await page.goto(asked)
    await page.wait_for_selector(f"{DONE}, {FAILED}")
    if await page.locator(FAILED).count():
        raise ValueError(f"{asked} shows {await page.locator(FAILED).first.inner_text()}")
    image = page.locator(RESULT).first
    await image.wait_for()
    seen.waits.append(time.monotonic() - started)
    src = await image.evaluate("image => image.src")
    # The picture of a slider between before and after is in its own address.
    if src.startswith("data:"):
        content = urlopen(src).read()
    else:
        content = await (await page.request.get(src)).body()
    seen.results[page.url] = digest(shown_picture(content))
    for name, path in pages(number, turn):
        await page.get_by_role("link", name=name, exact=True).first.click()
        await page.wait_for_function("path => location.pathname.endsWith(path)", arg=path)
        await page.wait_for_selector(READY)
        if await page.locator("[data-testid=stException]").count():
            raise ValueError(f"{page.url} shows an exception")
        seen.walked += 1


def _listen(page: Page, server: str, seen: Seen) -> None:
    own = (server, server.replace("http", "ws"), "data:", "blob:")
    note = seen.errors.append
    page.on("pageerror", lambda error: note(f"exception in the page: {error}"))
    # Streamlit's front end looks for /_stcore/ below each page's path before it finds it at the root, and a
    # running job's picture is gone once the next one is there.
    expected = ("/_stcore/", "/media/")
    page.on(
        "response",
        lambda answer: (
            answer.status < 400
            or any(each in answer.url for each in expected)
            or note(f"{answer.status} of {answer.url}")
        ),
    )
    page.on("request", lambda request: request.url.startswith(own) or note(f"asked elsewhere: {request.url}"))
