// Links within the app: a click goes to the page without loading the app anew, as one entry of the history.

/** Follows a click on a link, unless it asks for another tab or window. */
export function follow(event, address) {
  if (event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
  event.preventDefault()
  go(address)
}

/** Goes to an address of the app, unless it is there: a key that is pressed twice is one entry of the history. */
export function go(address) {
  const url = new URL(address, document.baseURI)
  if (url.href === location.href) return
  history.pushState(null, "", url)
  // Streamlit shows what the address says when Back or Forward has changed it.
  dispatchEvent(new PopStateEvent("popstate"))
}
