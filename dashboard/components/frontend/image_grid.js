import style from "./image_grid.css"
import { component, element } from "./shared/lifecycle.js"
import { follow } from "./shared/links.js"

const STEPS = { ArrowLeft: -1, ArrowRight: 1 }

/** A grid of images that are buttons or links; one Tab stop, arrow keys move inside it. */
class ImageGrid {
  #shown = null
  #emit = () => {}

  constructor(parent) {
    this.grid = element("div", { className: "grid", role: "group" })
    this.grid.addEventListener("click", event => this.#click(event))
    this.grid.addEventListener("keydown", event => this.#move(event))
    this.style = element("style", {}, style)
    parent.append(this.style, this.grid)
  }

  update(data, emit) {
    this.#emit = emit
    this.grid.setAttribute("aria-label", data.label)
    this.grid.style.setProperty("--size", `${data.size}px`)
    this.grid.style.setProperty("--columns", data.columns)
    this.grid.classList.toggle("columned", Boolean(data.columns))
    this.grid.classList.toggle("pixelated", data.pixelated)
    this.#show(data.items, data.link)
    this.#select(data.selected)
  }

  destroy() {
    this.style.remove()
    this.grid.remove()
  }

  get buttons() {
    return [...this.grid.children]
  }

  #show(items, link) {
    const text = JSON.stringify([items, link])
    if (text === this.#shown) return
    this.#shown = text
    const focused = this.buttons.findIndex(button => button.matches(":focus"))
    this.grid.replaceChildren(...items.map(item => tile(item, link)))
    if (focused >= 0) this.buttons[Math.min(focused, items.length - 1)]?.focus()
  }

  #select(selected) {
    const buttons = this.buttons
    for (const button of buttons) {
      const chosen = selected !== null && button.item.id === selected
      button.ariaCurrent = chosen ? "true" : null
      button.tabIndex = chosen ? 0 : -1
    }
    if (buttons.length && !buttons.some(button => button.tabIndex === 0)) buttons[0].tabIndex = 0
  }

  #click(event) {
    const button = event.target.closest("button, a")
    if (button?.href) follow(event, button.href)
    else if (button) this.#emit("clicked", button.item.id)
  }

  #move(event) {
    const buttons = this.buttons
    const here = buttons.indexOf(event.target.closest("button, a"))
    const row = getComputedStyle(this.grid).gridTemplateColumns.split(" ").length
    const ends = { Home: -here, End: buttons.length - 1 - here }
    const step = { ...STEPS, ArrowUp: -row, ArrowDown: row, ...ends }[event.key]
    const next = buttons[here + step]
    if (here < 0 || !next) return
    event.preventDefault()
    buttons[here].tabIndex = -1
    next.tabIndex = 0
    next.focus()
  }
}

/** @param link the address that a click opens, up to the item's id; empty where a click is an event */
function tile(item, link) {
  const image = element("img", { alt: item.alt, loading: "lazy", decoding: "async" })
  const frame = element("span", { className: "frame" }, image)
  // The box is in fractions of the image, so its frame takes the image's own shape within the square.
  image.onload = () => {
    frame.style.aspectRatio = `${image.naturalWidth} / ${image.naturalHeight}`
    frame.style[image.naturalWidth >= image.naturalHeight ? "width" : "height"] = "100%"
    frame.classList.add("loaded")
  }
  image.onerror = () => frame.classList.add("broken")
  image.src = item.src
  frame.append(...item.boxes.map(each => box(each, "box thin")))
  if (item.box) frame.append(box(item.box, "box"))
  const square = element("span", { className: "square" }, frame)
  if (item.badge) square.append(element("span", { className: `badge ${item.tone}` }, item.badge))
  const title = [item.caption, item.note].filter(Boolean).join("\n")
  const address = link && link + encodeURIComponent(item.goes_to ?? item.id)
  const button = link
    ? element("a", { href: new URL(address, document.baseURI).href, title }, square)
    : element("button", { type: "button", title }, square)
  for (const line of ["caption", "note"]) {
    if (item[line]) button.append(element("span", { className: line }, item[line]))
  }
  button.item = item
  return button
}

function box([left, top, right, bottom], className) {
  const made = element("span", { className })
  const share = value => `${100 * value}%`
  Object.assign(made.style, {
    left: share(left), top: share(top), width: share(right - left), height: share(bottom - top),
  })
  return made
}

export default component(ImageGrid)
