// What runs in the page before Streamlit's front end does.

// Where the server is; otherwise it is looked for below the page's own path first.
window.__streamlit = { BACKEND_BASE_URL: new URL(document.documentElement.dataset.server, location.origin).href }

// A first visit's page is shown once all that is on it has its size and its place: each part of Streamlit's
// front end is a grey bar until its script has come, and what stands below it would move then. A page that is
// long in coming is shown as far as it is. A grid of images is not waited for: its room is there (`components/image_grid.py`).
// See `.arriving` in the page's own style.
{
  /** Milliseconds for which all must have its size, once all is there and before; and of the longest wait. */
  const DRAWN = 100, QUIET = 300, LONGEST = 4000
  const root = document.documentElement
  let begun, sized, places

  const unsized = element =>
    !element.closest("[class*='-room']") && (
      element.matches("[data-testid=stSkeleton]")
      || (element.matches("img") && !element.complete)
      || (element.matches("[data-testid^=stBidiComponent]") && (element.shadowRoot?.childElementCount ?? 0) < 2)
    )

  const placesIn = main => [...main.querySelectorAll("[data-testid]")].reduce((sum, element) => {
    const { x, y } = element.getBoundingClientRect()
    return sum + x + y + 1
  }, 0)

  const look = () => {
    const now = performance.now()
    const main = document.querySelector("[data-testid=stMain]")
    if (main?.querySelector("[data-testid=stElementContainer]")) begun ??= now
    const waits = !begun || [...main.querySelectorAll("img, [data-testid]")].some(unsized)
    const before = places
    places = main && placesIn(main)
    sized = waits || places !== before ? undefined : sized ?? now
    const ended = document.querySelector("[data-testid=stApp][data-test-script-state=notRunning]")
    const shown = now - sized > (ended ? DRAWN : QUIET) || now - begun > LONGEST
    if (shown) root.classList.remove("arriving")
    else setTimeout(look, 50)
  }

  root.classList.add("arriving")
  look()
}
