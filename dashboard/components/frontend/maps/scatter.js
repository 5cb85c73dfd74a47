import { Clusters } from "./clusters.js"
import { HoverCard, inWords } from "../shared/hover_card.js"
import { Legend } from "../shared/legend.js"
import { component, debounce, element, SharedValue, themeColor } from "../shared/lifecycle.js"
import { hasWebGL, MapPlot } from "../shared/map_plot.js"
import {
  channels, colorIndices, countColors, fetchHits, fetchPoints, fetchValues, interpolate, marks,
} from "../shared/point_data.js"
import style from "./scatter.css"
import shared from "../shared/shared.css"
import { Sprites } from "./sprites.js"
import { Toolbar } from "../shared/toolbar.js"

const SCALE_STEPS = 256
const CAMERA_DELAY = 400
const HELP = "Arrow keys move, plus and minus zoom, 0 shows all, Enter selects the image in the centre."
const NO_WEBGL =
  "This map is drawn with WebGL, which this browser does not offer. The grid shows the same images."
const STEP = 0.25
const ZOOM = 1.5
/** CSS pixels that the mouse may move between down and up in a click. */
const STILL = 4
/** Python hears of a selection as a click. */
const EVENTS = { selected: "clicked" }

/** A map of images: points, or thumbnails; a legend that highlights, a card on hover, a lasso, a shared camera. */
class Scatter {
  #emit = () => {}
  #turn = 0
  #drawing = null
  #drawn = null
  #painted = null
  #due = new Set()
  #pressed = [0, 0]
  #hovered = { point: null, sprite: null }
  #fetched = {}
  #shown = { camera: null, selected: null, lasso: [], highlight: null, pictures: "near", outlined: false }
  #shared = Object.fromEntries(Object.keys(this.#shown).map(name => [name, new SharedValue()]))
  #reportCamera = debounce(() => this.#cameraMoved(), CAMERA_DELAY)

  constructor(parent) {
    this.#build()
    this.nodes = [element("style", {}, shared + style), this.stage]
    parent.append(...this.nodes)
    this.able = hasWebGL()
    if (!this.able) this.#say("no-webgl", NO_WEBGL)
  }

  update(data, emit) {
    this.data = data
    this.#emit = emit
    this.toolbar.refresh()
    this.stage.style.height = `${data.height}px`
    this.view.setAttribute("aria-label", `${data.label}. ${HELP}`)
    for (const name of Object.keys(this.#shown)) {
      if (!this.#shared[name].receive(data[name])) continue
      this.#shown[name] = data[name]
      this.#due.add(name)
    }
    if (!this.able) return
    const wanted = JSON.stringify([data.points, data.colors, data.legend, data.hits])
    if (wanted === this.#drawn) this.#apply()
    else if (wanted !== this.#drawing) this.#draw(wanted)
  }

  destroy() {
    this.#turn++
    this.#reportCamera.cancel()
    this.sprites.close()
    this.plot?.destroy()
    for (const node of this.nodes) node.remove()
  }

  #build() {
    this.canvas = element("canvas")
    this.sprites = new Sprites(element("canvas", { className: "sprites" }), () => this.#drawSprites())
    this.clusters = new Clusters(number => this.#emit("cluster", number), () => this.#drawClusters())
    this.ring = element("div", { className: "ring", hidden: true })
    this.card = new HoverCard()
    this.message = element("div", { className: "message", role: "status" })
    this.announcement = element("div", { className: "announcement", role: "status" })
    this.legend = new Legend(name => this.#change("highlight", name, name ?? ""))
    this.toolbar = new Toolbar("Map tools", this.#tools())
    this.view = element("div", { className: "view", tabIndex: 0, role: "application" },
      this.canvas, this.clusters.canvas, this.sprites.canvas, element("div", { className: "cross" }), this.ring,
      this.clusters.names, this.card.root)
    this.clusters.names.addEventListener("wheel", event => this.#passOn(event), { passive: false })
    this.view.onkeydown = event => this.#key(event)
    this.view.addEventListener("pointerdown", event => (this.#pressed = [event.clientX, event.clientY]))
    this.view.addEventListener("pointermove", event => this.#hover({ sprite: this.#spriteBelow(event) }))
    this.view.addEventListener("pointerleave", () => this.#hover({ sprite: null }))
    this.view.addEventListener("click", event => this.#clickSprite(event), true)
    this.stage = element("div", { className: "stage" },
      this.view, this.legend.root, this.toolbar.root, this.message, this.announcement)
  }

  #tools() {
    const tool = (icon, label, action) => ({ icon, label, action: () => this.#drawn && action() })
    const mode = (icon, label, name) => ({
      ...tool(icon, label, () => (this.plot.mode = name)),
      toggle: () => this.plot?.mode === name,
    })
    const pictures = (icon, label, name) => ({
      ...tool(icon, label, () => this.#change("pictures", this.#shown.pictures === name ? "never" : name)),
      toggle: () => this.#shown.pictures === name,
    })
    return [
      mode("drag_pan", "Move", "panZoom"),
      mode("lasso_select", "Lasso (or hold Shift)", "lasso"),
      tool("deselect", "Clear the lasso", () => this.#change("lasso", [])),
      tool("add", "Zoom in", () => this.plot.zoom(ZOOM)),
      tool("remove", "Zoom out", () => this.plot.zoom(1 / ZOOM)),
      tool("fit_screen", "Show all", () => (this.plot.camera = this.plot.home)),
      pictures("photo", "Thumbnails close up", "near"),
      pictures("photo_library", "Thumbnails at any zoom", "always"),
      {
        ...tool("bubble_chart", "Clusters", () => this.#change("outlined", !this.#shown.outlined)),
        toggle: () => this.#shown.outlined,
        there: () => Boolean(this.data?.clusters),
      },
    ]
  }

  #start() {
    this.plot ??= new MapPlot(this.canvas, {
      hovered: point => this.#hover({ point }),
      clicked: index => this.#click(index),
      lassoing: begun => this.view.classList.toggle("lassoing", begun),
      lassoed: indices => this.#change("lasso", indices.map(index => this.points.ids[index])),
      moved: () => this.#reportCamera(),
      drawn: () => {
        this.#drawSprites()
        this.#drawClusters()
        this.#placeRing()
      },
    })
    this.toolbar.refresh()
  }

  async #draw(wanted) {
    const turn = ++this.#turn
    const { data } = this
    this.#drawing = wanted
    this.#drawn = null
    this.#say("loading", "Loading the map …")
    try {
      const buffers = [
        this.#fetch("points", data.points, fetchPoints),
        this.#fetch("values", data.colors, fetchValues),
        this.#fetch("hits", data.hits, fetchHits),
      ]
      // Compiling the shaders takes as long as the buffers take to come.
      this.#start()
      const [points, values, found] = await Promise.all(buffers)
      const indices = colorIndices(points, values, data.legend, SCALE_STEPS)
      if (turn !== this.#turn) return
      const colors = (data.legend.categories?.length ?? SCALE_STEPS) + 1
      await this.plot.draw(points, indices, colors, found && marks(points, found))
      if (turn !== this.#turn) return
      this.points = points
      this.#drawn = wanted
      this.sprites.open(data.sprites)
      this.legend.show(data.legend, countColors(indices), data.unknown)
      this.#painted = null
      this.#due = new Set(Object.keys(this.#shown))
      this.#apply()
      this.#say("drawn", points.count ? "" : "This map has no points.")
    } catch (error) {
      if (turn !== this.#turn) return
      this.#drawing = null
      this.#fetched = {}
      this.#say("failed", `The map could not be drawn. ${error.message}`)
    }
  }

  async #fetch(name, address, load) {
    if (this.#fetched[name]?.address !== address) this.#fetched[name] = { address, value: load(address) }
    return this.#fetched[name].value
  }

  /** Brings the plot to what is to be shown: by Python, or by the person until Python says otherwise. */
  #apply() {
    this.#paint()
    if (this.#due.has("lasso")) {
      this.plot.select(this.#shown.lasso.map(this.points.indexOf).filter(index => index !== undefined))
    }
    if (this.#due.has("camera")) this.plot.camera = this.#shown.camera ?? this.plot.home
    if (this.#due.has("pictures") || this.#due.has("outlined")) this.toolbar.refresh()
    this.#due.clear()
    this.sprites.mode = this.#shown.pictures
    this.#drawSprites()
    this.clusters.open(this.#shown.outlined ? this.data.clusters : "", this.data.titles)
    this.#drawClusters()
    this.#placeRing()
  }

  #paint() {
    const { legend, unknown } = this.data
    const { highlight } = this.#shown
    const background = themeColor(this.stage, "--st-background-color")
    const paint = JSON.stringify([highlight, background])
    if (paint === this.#painted) return
    this.#painted = paint
    const colors = legend.categories ? legend.colors.map(channels) : interpolate(legend.colors, SCALE_STEPS)
    this.plot.paint([...colors, channels(unknown)], legend.categories?.indexOf(highlight) ?? -1, background)
    this.legend.highlight(highlight)
  }

  /** The person changed something: shows it at once and tells Python. */
  #change(name, value, message = value) {
    this.#shown[name] = value
    this.#shared[name].send(value)
    this.#emit(EVENTS[name] ?? name, message)
    if (name === "camera" || !this.#drawn) return
    this.#due.add(name)
    this.#apply()
  }

  #cameraMoved() {
    const { camera, home } = this.plot
    if (String(camera) !== String(this.#shown.camera ?? home)) this.#change("camera", camera)
  }

  #click(index) {
    const image = this.points.ids[index]
    this.#change("selected", image)
    this.card.caption(image, this.data).then(caption => (this.announcement.textContent = inWords(caption, this.data)))
  }

  /** The mouse is over a point, or a thumbnail, which has precedence. */
  #hover(changed) {
    Object.assign(this.#hovered, changed)
    const index = this.#hovered.sprite ?? this.#hovered.point
    this.view.classList.toggle("over", index !== null)
    if (index === null) this.card.hide()
    else this.card.show(this.points.ids[index], this.plot.position(index), this.data)
  }

  #drawSprites() {
    if (this.#drawn) this.sprites.draw(this.plot, this.points)
  }

  #drawClusters() {
    if (this.#drawn) this.clusters.draw(this.plot.view, this.toolbar.root)
  }

  /** The wheel over a name zooms as beside it. */
  #passOn(event) {
    event.preventDefault()
    this.canvas.dispatchEvent(new WheelEvent("wheel", event))
  }

  #spriteBelow({ target, clientX, clientY }) {
    if (target !== this.canvas) return null
    const { left, top } = this.view.getBoundingClientRect()
    return this.sprites.at([clientX - left, clientY - top])
  }

  /** A click on a thumbnail is one on its image, whatever point lies below. */
  #clickSprite(event) {
    const [x, y] = this.#pressed
    if (event.shiftKey || Math.hypot(event.clientX - x, event.clientY - y) > STILL) return
    const index = this.#spriteBelow(event)
    if (index === null) return
    event.stopPropagation()
    this.#click(index)
  }

  #placeRing() {
    const index = this.#drawn ? this.points.indexOf(this.#shown.selected) : undefined
    this.ring.hidden = index === undefined
    if (index === undefined) return
    const [x, y] = this.plot.position(index)
    this.ring.style.transform = `translate(${x}px, ${y}px)`
  }

  #key(event) {
    if (!this.#drawn || event.ctrlKey || event.metaKey || event.altKey) return
    if (event.key === "Enter" && event.target !== this.view) return
    const action = this.#actions()[event.key]
    if (!action) return
    event.preventDefault()
    action()
  }

  #actions() {
    const { plot } = this
    return {
      ArrowLeft: () => plot.move(-STEP, 0),
      ArrowRight: () => plot.move(STEP, 0),
      ArrowUp: () => plot.move(0, STEP),
      ArrowDown: () => plot.move(0, -STEP),
      "+": () => plot.zoom(ZOOM),
      "=": () => plot.zoom(ZOOM),
      "-": () => plot.zoom(1 / ZOOM),
      0: () => (plot.camera = plot.home),
      Enter: () => this.points.count && this.#click(this.#central),
      Escape: () => this.#change("lasso", []),
    }
  }

  /** The index of the image in the middle of the view. */
  get #central() {
    const { clientWidth: width, clientHeight: height } = this.canvas
    return this.sprites.at([width / 2, height / 2]) ?? this.plot.central
  }

  #say(state, text) {
    this.stage.dataset.state = state
    this.message.textContent = text
  }
}

export default component(Scatter)
