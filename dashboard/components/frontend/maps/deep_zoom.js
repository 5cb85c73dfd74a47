import OpenSeadragon from "openseadragon"
import style from "./deep_zoom.css"
import { HoverCard, inWords } from "../shared/hover_card.js"
import { component, debounce, element, SharedValue } from "../shared/lifecycle.js"
import { fetchBuffer, fetchHits } from "../shared/point_data.js"
import shared from "../shared/shared.css"
import { Toolbar } from "../shared/toolbar.js"

const TILE = 512
const FAILED = "Parts of the grid could not be loaded."
const BOUNDS_DELAY = 400
/** How much of the page's background lies over a cell whose image a search did not find. */
const VEIL = 0.8
const ZOOM = 1.5
const HELP = "Arrow keys move, plus and minus zoom, 0 shows all, Enter selects the image in the centre."
/** OpenSeadragon's own keys; those that turn or mirror the picture are left out. */
const OTHER_KEYS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "0"])
const GESTURES = ["canvas-drag", "canvas-scroll", "canvas-pinch", "canvas-key", "canvas-double-click"]

/** A grid of thumbnails as one zoomable picture: seams, a frame round the chosen cell, a card on hover. */
class DeepZoom {
  #emit = () => {}
  #loaded = null
  #bounds = new SharedValue()
  #cells = Promise.resolve(null)
  #moved = false
  #found = null
  #searched = ""
  #report = debounce(() => this.#reportBounds(), BOUNDS_DELAY)

  constructor(parent) {
    this.frame = element("div", { className: "frame" })
    this.card = new HoverCard()
    this.message = element("div", { className: "message", role: "status" })
    this.announcement = element("div", { className: "announcement", role: "status" })
    this.toolbar = new Toolbar("Picture tools", this.#tools())
    this.view = element("div", { className: "view" })
    this.veil = element("canvas", { className: "veil" })
    this.stage = element("div", { className: "stage" },
      this.view, this.veil, this.toolbar.root, this.card.root, this.message, this.announcement)
    this.nodes = [element("style", {}, shared + style), this.stage]
    parent.append(...this.nodes)
    this.#start()
  }

  update(data, emit) {
    this.data = data
    this.#emit = emit
    this.stage.style.height = `${data.height}px`
    this.viewer.canvas.setAttribute("aria-label", `${data.label}. ${HELP}`)
    const due = this.#bounds.receive(data.bounds)
    if (data.tiles !== this.#loaded) this.#load()
    else if (due) this.#show(data.bounds)
    this.#choose(data.selected)
    this.#search(data.hits)
    this.seams?.setOpacity(data.seams ? 1 : 0)
  }

  destroy() {
    this.#report.cancel()
    this.viewer.destroy()
    for (const node of this.nodes) node.remove()
  }

  #tools() {
    const zoom = factor => () => this.#go(() => this.viewer.viewport.zoomBy(factor))
    return [
      { icon: "add", label: "Zoom in", action: zoom(ZOOM) },
      { icon: "remove", label: "Zoom out", action: zoom(1 / ZOOM) },
      { icon: "fit_screen", label: "Show all", action: () => this.#go(() => this.viewer.viewport.goHome()) },
      { icon: "download", label: "Save the whole grid as PNG", action: () => this.#save() },
    ]
  }

  #start() {
    this.viewer = OpenSeadragon({
      element: this.view,
      drawer: "canvas",
      showNavigationControl: false,
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
      animationTime: 0.4,
      maxZoomPixelRatio: 4,
      minZoomImageRatio: 0.8,
      maxImageCacheCount: 400,
      imageLoaderLimit: 6,
    })
    this.viewer.canvas.setAttribute("role", "application")
    for (const gesture of GESTURES) this.viewer.addHandler(gesture, () => (this.#moved = true))
    this.viewer.addHandler("canvas-key", event => this.#key(event))
    this.viewer.addHandler("canvas-click", event => event.quick && this.#click(event.position))
    this.viewer.addHandler("animation-finish", () => this.#report())
    this.viewer.addHandler("update-viewport", () => this.#drawVeil())
    this.viewer.addHandler("tile-load-failed", () => this.#say("failed", FAILED))
    this.view.addEventListener("pointermove", event => this.#hover(event))
    this.view.addEventListener("pointerleave", () => this.card.hide())
  }

  #load() {
    const { tiles, cells, rows, cols, min_level: minLevel, max_level: maxLevel } = this.data
    this.#loaded = tiles
    this.#say("loading", "Loading the grid …")
    this.#cells = fetchBuffer(cells).then(buffer => new Int32Array(buffer), () => null)
    const source = layer => ({
      width: cols * 2 ** maxLevel,
      height: rows * 2 ** maxLevel,
      tileSize: TILE,
      minLevel,
      maxLevel,
      getTileUrl: (z, x, y) => new URL(`${tiles}/${layer}/${z}/${x}_${y}.webp`, document.baseURI).href,
    })
    this.viewer.world.removeAll()
    this.viewer.addTiledImage({ tileSource: source("picture"), success: ({ item }) => this.#added(item) })
    this.viewer.addTiledImage({
      tileSource: source("seams"),
      opacity: this.data.seams ? 1 : 0,
      success: ({ item }) => (this.seams = item),
    })
  }

  #added(picture) {
    this.#show(this.data.bounds)
    this.#choose(this.data.selected)
    picture.addHandler("fully-loaded-change", ({ fullyLoaded }) => {
      if (fullyLoaded && this.stage.dataset.state === "loading") this.#say("drawn", "")
    })
  }

  /** Shows `bounds` [left, top, right, bottom] in cells; all of the grid for null. */
  #show(bounds) {
    this.#moved = false
    if (!bounds) return this.viewer.viewport.goHome(true)
    const [left, top, right, bottom] = bounds
    this.viewer.viewport.fitBounds(this.#rectangle(left, top, right - left, bottom - top), true)
  }

  /** In OpenSeadragon's coordinates the picture is 1 wide. */
  #rectangle(col, row, width, height) {
    const { cols } = this.data
    return new OpenSeadragon.Rect(col / cols, row / cols, width / cols, height / cols)
  }

  #choose(cell) {
    this.viewer.removeOverlay(this.frame)
    if (!cell) return
    const [row, col] = cell
    this.viewer.addOverlay({ element: this.frame, location: this.#rectangle(col, row, 1, 1) })
  }

  /** The images that a search found stay as they are; the others are veiled. */
  async #search(address) {
    if (address === this.#searched) return
    this.#searched = address
    const [found, cells] = await Promise.all([fetchHits(address).catch(() => null), this.#cells])
    if (address !== this.#searched) return
    this.#found = found && cells && new Set(found)
    this.#drawVeil()
  }

  async #drawVeil() {
    const cells = await this.#cells
    const { clientWidth: width, clientHeight: height } = this.view
    Object.assign(this.veil, { width, height })
    if (!this.#found || !cells) return
    const { rows, cols } = this.data
    const { viewport } = this.viewer
    const corner = viewport.pixelFromPoint(new OpenSeadragon.Point(0, 0), true)
    const side = viewport.pixelFromPoint(new OpenSeadragon.Point(1 / cols, 0), true).x - corner.x
    const within = (start, end, most) => [Math.max(Math.floor(start), 0), Math.min(Math.ceil(end), most)]
    const [left, right] = within(-corner.x / side, (width - corner.x) / side, cols)
    const [top, bottom] = within(-corner.y / side, (height - corner.y) / side, rows)
    const context = this.veil.getContext("2d")
    context.globalAlpha = VEIL
    context.fillStyle = getComputedStyle(this.stage).backgroundColor
    const at = index => Math.round(corner.x + index * side)
    const down = index => Math.round(corner.y + index * side)
    for (let row = top; row < bottom; row++) {
      for (let col = left; col < right; col++) {
        if (this.#found.has(cells[row * cols + col])) continue
        const [over, below] = [Number(col + 1 === cols), Number(row + 1 === rows)]
        context.fillRect(at(col), down(row), at(col + 1) - at(col) + over, down(row + 1) - down(row) + below)
      }
    }
  }

  #go(action) {
    this.#moved = true
    action()
  }

  #reportBounds() {
    // Only what a person did: the browser's size changes the bounds too.
    if (!this.#moved) return
    this.#moved = false
    const { x, y, width, height } = this.viewer.viewport.getBounds()
    const bounds = [x, y, x + width, y + height].map(value => Number((value * this.data.cols).toFixed(2)))
    this.#bounds.send(bounds)
    this.#emit("bounds", bounds)
  }

  #key(event) {
    const { viewport } = this.viewer
    const own = {
      "+": () => viewport.zoomBy(ZOOM),
      "=": () => viewport.zoomBy(ZOOM),
      "-": () => viewport.zoomBy(1 / ZOOM),
      Enter: () => this.#click(viewport.pixelFromPoint(viewport.getCenter())),
    }[event.originalEvent.key]
    event.preventDefaultAction = Boolean(own) || !OTHER_KEYS.has(event.originalEvent.key)
    own?.()
  }

  async #click(position) {
    const cell = this.#cellAt(position)
    if (!cell) return
    this.#emit("clicked", cell)
    const image = await this.#imageIn(cell)
    if (image !== null) this.announcement.textContent = inWords(await this.card.caption(image, this.data), this.data)
  }

  async #hover(event) {
    const { left, top } = this.view.getBoundingClientRect()
    const position = new OpenSeadragon.Point(event.clientX - left, event.clientY - top)
    const cell = event.buttons ? null : this.#cellAt(position)
    const image = cell && (await this.#imageIn(cell))
    if (image === null) this.card.hide()
    else this.card.show(image, [position.x, position.y], this.data)
  }

  /** The [row, col] at a place of the view; null beside the grid. */
  #cellAt(position) {
    const { rows, cols } = this.data
    const { x, y } = this.viewer.viewport.pointFromPixel(position, true)
    const [row, col] = [Math.floor(y * cols), Math.floor(x * cols)]
    return row >= 0 && row < rows && col >= 0 && col < cols ? [row, col] : null
  }

  async #imageIn([row, col]) {
    const image = (await this.#cells)?.[row * this.data.cols + col] ?? -1
    return image < 0 ? null : image
  }

  #save() {
    element("a", { href: new URL(this.data.picture, document.baseURI).href, download: "" }).click()
  }

  #say(state, text) {
    this.stage.dataset.state = state
    this.message.textContent = text
  }
}

export default component(DeepZoom)
