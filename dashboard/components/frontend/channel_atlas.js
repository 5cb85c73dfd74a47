import style from "./channel_atlas.css"
import { component, element } from "./shared/lifecycle.js"
import { follow } from "./shared/links.js"

const GAP = 6
const TEXT_LINE = 17
/** Milliseconds. */
const STAYS = 80
/** Lines are filled this far above and below what is in view. */
const AHEAD = "600px 0px"

/**
 * Layers below each other; in each the channels' tiles, in one line or, where the layer is open, in all of them.
 *
 * A line is an empty box of its height until it comes near the view, so that ten thousand channels scroll as
 * quickly as ten. Its tiles are one picture. One Tab stop; arrow keys move between tiles, across lines.
 */
class ChannelAtlas {
  #shown = null
  #columns = 0
  #emit = () => {}
  #lines = []
  #focused = null
  #opened = ""

  constructor(parent) {
    this.root = element("div", { className: "atlas", role: "group", "aria-label": "Channels by layer" })
    this.root.addEventListener("click", event => this.#click(event))
    this.root.addEventListener("keydown", event => this.#key(event))
    this.root.addEventListener("focusin", event => (this.#focused = event.target.closest("a")?.place ?? null))
    this.style = element("style", {}, style)
    this.resized = new ResizeObserver(() => this.#fit())
    this.seen = new IntersectionObserver(entries => entries.forEach(see), { rootMargin: AHEAD })
    parent.append(this.style, this.root)
    this.resized.observe(this.root)
  }

  update(data, emit) {
    this.#emit = emit
    this.data = data
    this.root.style.setProperty("--size", `${data.size}px`)
    this.#fit()
  }

  destroy() {
    this.resized.disconnect()
    this.seen.disconnect()
    this.style.remove()
    this.root.remove()
  }

  #fit() {
    const width = this.root.clientWidth
    if (!width || !this.data) return
    const fitting = Math.floor((width + GAP) / (this.data.size + GAP))
    this.#columns = Math.min(Math.max(fitting, 1), this.data.longest)
    const text = JSON.stringify([this.#columns, this.data])
    if (text === this.#shown) return
    this.#shown = text
    this.#draw()
  }

  #draw() {
    const { layers, selected } = this.data
    const place = this.#focused
    this.seen.disconnect()
    this.#lines = []
    this.root.replaceChildren(...layers.map(layer => this.#layer(layer)))
    this.current = this.#find(place) ?? this.#find(selected && { layer: selected[0], channel: selected[1] })
      ?? (this.#lines.length ? { line: 0, column: 0 } : null)
    for (const line of this.#lines) this.seen.observe(line)
    if (this.data.opened !== this.#opened) this.#show(this.data.opened)
    if (place && this.root.getRootNode().activeElement !== null) this.#focus(this.current)
  }

  /** Brings a layer that was opened by a link or a control into view; one that was clicked is there. */
  #show(opened) {
    this.#opened = opened
    const section = [...this.root.children].find(({ layer }) => layer.name === opened)
    section?.scrollIntoView({ block: "start" })
  }

  #layer(layer) {
    const { opened, whole, size } = this.data
    const open = whole || opened === layer.name
    const columns = this.#columns
    const height = size + TEXT_LINE * (1 + (layer.values.length > 0)) + 4
    const count = open ? Math.ceil(layer.channels.length / columns) : Math.min(1, layer.channels.length)
    const lines = Array.from({ length: count }, (_, number) => {
      const line = element("div", { className: "line" })
      line.style.height = `${height}px`
      const start = number * columns
      line.fill = () => line.append(...this.#tiles(line, layer, start, start + columns))
      line.count = Math.min(columns, layer.channels.length - start)
      line.layer = layer
      line.start = start
      return line
    })
    this.#lines.push(...lines)
    const section = element("section", {}, this.#heading(layer, open), ...lines)
    section.layer = layer
    return section
  }

  #heading(layer, open) {
    const more = layer.count > this.#columns
    const name = element("span", { className: "name" }, layer.title)
    const note = element("span", { className: "note" }, layer.note)
    const arrow = element("span", { className: "arrow", "aria-hidden": "true" })
    const waiting = element("span", { className: "waiting" }, "drawing the tiles…")
    if (!more || this.data.whole) return element("div", { className: "heading" }, arrow, name, note, waiting)
    arrow.textContent = open ? "▾" : "▸"
    const button = element("button", {
      type: "button", className: "heading", title: open ? "Show one line" : "Show all its channels",
      "aria-expanded": String(open),
    }, arrow, name, note, waiting)
    button.layer = layer
    return button
  }

  #tiles(line, layer, start, end) {
    const { selected, size, texts } = this.data
    const channels = layer.channels.slice(start, end)
    const address = new URL(layer.tiles.replace("{channels}", channels.join(",")), document.baseURI).href
    const tiles = channels.map((channel, column) => {
      const picture = element("span", { className: "picture" })
      picture.style.backgroundPosition = `${-column * size}px 0`
      picture.style.backgroundSize = `${channels.length * size}px ${size}px`
      const name = layer.names[channel]
      const called = name ? `${name}, channel ${channel}` : `channel ${channel}`
      const about = called + texts[layer.about[start + column]]
      const tile = element("a", {
        href: new URL(layer.link + channel, document.baseURI).href, title: about, tabIndex: -1, "aria-label": `${layer.title}, ${about}`,
      }, picture, element("span", { className: name ? "number named" : "number" }, name ?? String(channel)))
      if (layer.values.length) tile.append(element("span", { className: "said" }, layer.values[start + column]))
      if (layer.dead.includes(channel)) tile.classList.add("dead")
      if (selected && layer.name === selected[0] && channel === selected[1]) tile.ariaCurrent = "true"
      tile.place = { layer: layer.name, channel }
      return tile
    })
    line.picture = new Picture(address, tiles.map(({ firstChild }) => firstChild))
    if (this.current && this.#lines[this.current.line]?.start === start
      && this.#lines[this.current.line].layer === layer) tiles[this.current.column].tabIndex = 0
    return tiles
  }

  #find(place) {
    if (!place) return null
    const line = this.#lines.findIndex(({ layer, start, count }) => {
      if (layer.name !== place.layer) return false
      const index = layer.channels.indexOf(place.channel)
      return index >= start && index < start + count
    })
    if (line < 0) return null
    const { layer, start } = this.#lines[line]
    return { line, column: layer.channels.indexOf(place.channel) - start }
  }

  #click(event) {
    const heading = event.target.closest("button")
    if (heading) {
      this.#opened = this.data.opened === heading.layer.name ? "" : heading.layer.name
      this.#emit("opened", this.#opened)
    }
    const tile = event.target.closest("a")
    if (tile) follow(event, tile.href)
  }

  #key(event) {
    const tile = event.target.closest("a")
    const here = tile && this.#find(tile.place)
    if (!here || event.ctrlKey || event.metaKey || event.altKey) return
    const target = this.#target(event.key, here)
    if (!target) return
    event.preventDefault()
    event.stopPropagation()
    this.#focus(target)
  }

  #target(key, { line, column }) {
    const lines = this.#lines
    const at = (where, wanted) =>
      lines[where] && { line: where, column: Math.min(Math.max(wanted, 0), lines[where].count - 1) }
    if (key === "ArrowLeft") return column ? at(line, column - 1) : at(line - 1, Infinity)
    if (key === "ArrowRight") return column + 1 < lines[line].count ? at(line, column + 1) : at(line + 1, 0)
    if (key === "ArrowUp") return at(line - 1, column)
    if (key === "ArrowDown") return at(line + 1, column)
    if (key === "Home") return at(line, 0)
    if (key === "End") return at(line, Infinity)
    return null
  }

  #focus({ line, column }) {
    for (const each of this.root.querySelectorAll('a[tabindex="0"]')) each.tabIndex = -1
    this.current = { line, column }
    const wanted = this.#lines[line]
    if (!wanted.firstChild) wanted.fill()
    const tile = wanted.children[column]
    tile.tabIndex = 0
    tile.focus({ preventScroll: true })
    tile.scrollIntoView({ block: "nearest" })
  }
}

/** Fills a line that comes near the view, and empties one that has left it: its picture stays with the browser. */
function see({ target, isIntersecting }) {
  const keeps = target.contains(target.getRootNode().activeElement)
  if (isIntersecting && !target.firstChild) target.fill()
  if (isIntersecting || keeps) return
  target.picture?.cancel()
  target.replaceChildren()
}

/** The picture of a line, asked for once the line has stayed near the view: one scrolled past costs nothing. */
class Picture {
  constructor(address, tiles) {
    this.waiting = setTimeout(() => this.#load(address, tiles), STAYS)
  }

  cancel() {
    clearTimeout(this.waiting)
    if (this.image && !this.image.complete) this.image.src = ""
  }

  #load(address, tiles) {
    this.image = new Image()
    this.image.onload = () => {
      for (const tile of tiles) {
        tile.style.backgroundImage = `url("${address}")`
        tile.classList.add("loaded")
      }
    }
    this.image.onerror = () => tiles.forEach(tile => tile.classList.add("broken"))
    this.image.src = address
  }
}

export default component(ChannelAtlas)
