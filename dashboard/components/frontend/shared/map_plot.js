import createScatterplot from "regl-scatterplot"
import { mix } from "./point_data.js"

const DIMMED = 0.85
const FILL = 0.3
/** Diameter in CSS pixels of a point that a search found. */
const LARGEST_HIT = 7
const NEEDED = ["OES_texture_float", "OES_element_index_uint"]

/** Whether this browser draws with WebGL as the plot needs it. */
export function hasWebGL() {
  const context = document.createElement("canvas").getContext("webgl")
  const able = Boolean(context) && NEEDED.every(name => context.getExtension(name))
  release(context)
  return able
}

/** The diameter of each of `count` points, in CSS pixels. */
function sizeOf(count) {
  return Math.min(9, Math.max(1.5, 9 * (500 / count) ** 0.2))
}

/** Gives a context back at once: a browser has few, and would take one in use before it collects garbage. */
function release(context) {
  context?.getExtension("WEBGL_lose_context")?.loseContext()
}

/**
 * Coloured points in WebGL. Points are named by their index; the map reaches from -1 to 1.
 *
 * @param handlers { hovered(index | null), clicked(index), lassoing(begun), lassoed(indices), moved(), drawn() }
 */
export class MapPlot {
  #handlers
  #lassoing = false
  #lasso = []
  #inLasso = null
  #highlighted = -1
  #colors = []

  constructor(canvas, handlers) {
    this.#handlers = handlers
    this.canvas = canvas
    this.plot = createScatterplot({
      canvas,
      syncEvents: true,
      colorBy: "valueA",
      opacityBy: "density",
      opacityByDensityFill: FILL,
      opacityInactiveScale: 0.3,
      pointOutlineWidth: 0,
      pointSizeSelected: 1,
      deselectOnEscape: false,
      actionKeyMap: { lasso: "shift", merge: "ctrl", remove: "alt" },
    })
    this.#listen()
  }

  /**
   * Draws points { x, y, count }, each in the colour of its index in what `paint` is given.
   *
   * @param hits 1 for each point that a search found and 0 for the others, which recede; null without a search
   */
  async draw(points, indices, colors, hits) {
    // The index that finds the point below the mouse depends on the positions alone.
    const spatialIndex = points === this.points ? this.plot.get("spatialIndex") : undefined
    this.points = points
    this.indices = indices
    this.hits = hits
    this.plot.set({ pointOrder: null, ...(hits ? this.#found(colors) : this.#alike()) })
    // The colours are there twice: as they are, and receded for what the search did not find.
    const valueA = hits ? indices.map((color, index) => (hits[index] ? color : color + colors)) : indices
    const columns = { x: points.x, y: points.y, valueA }
    await this.plot.draw(columns, { zDataType: "categorical", spatialIndex })
  }

  /** Sets the colours [r, g, b, a]; with a `highlighted` index all others recede to `background`. */
  paint(colors, highlighted, background) {
    this.#highlighted = highlighted
    this.#colors = colors.map(([red, green, blue]) => `rgb(${255 * red} ${255 * green} ${255 * blue})`)
    const recede = color => mix(color, background, DIMMED)
    const shown = colors.map((color, index) => (highlighted < 0 || index === highlighted ? color : recede(color)))
    const all = this.hits ? [...shown, ...colors.map(recede)] : shown
    const hovered = this.hits ? [...colors, ...colors] : colors
    this.plot.set({ pointColor: all, pointColorActive: all, pointColorHover: hovered })
    this.plot.set({ pointOrder: highlighted < 0 && !this.hits ? null : this.#front(highlighted) })
  }

  get camera() {
    const [x, y] = this.plot.get("cameraTarget")
    const round = value => Number(value.toFixed(4))
    return [round(x), round(y), Number((1 / this.plot.get("cameraDistance")).toPrecision(4))]
  }

  set camera([x, y, zoom]) {
    this.plot.zoomToLocation([x, y], 1 / zoom)
  }

  /** What is in the middle of the view { x, y }, its size in CSS pixels, and pixels a unit of the map. */
  get view() {
    const [x, y] = this.plot.get("cameraTarget")
    const { clientWidth: width, clientHeight: height } = this.canvas
    return { x, y, width, height, scale: height / 2 / this.plot.get("cameraDistance") }
  }

  /** Moves the view by parts of its height. */
  move(right, up) {
    const [x, y, zoom] = this.camera
    this.camera = [x + right / zoom, y + up / zoom, zoom]
  }

  zoom(factor) {
    const [x, y, zoom] = this.camera
    this.camera = [x, y, zoom * factor]
  }

  /** The camera that shows all points, whatever the canvas's shape. */
  get home() {
    const { clientWidth: width, clientHeight: height } = this.canvas
    return [0, 0, Number(Math.min(1, width / height || 1).toPrecision(4))]
  }

  set mode(mode) {
    this.plot.set({ mouseMode: mode })
  }

  get mode() {
    return this.plot.get("mouseMode")
  }

  /** Marks the points of a lasso; the others recede. */
  select(indices) {
    this.#keepLasso(indices)
    this.plot.select(indices, { preventEvent: true })
  }

  /** Where a point is on the canvas, in CSS pixels. */
  position(index) {
    return this.plot.getScreenPosition(index)
  }

  /** A point's colour for CSS. */
  colorOf(index) {
    return this.#colors[this.indices[index]]
  }

  /** Whether a point is beside what is highlighted, found or in the lasso. */
  recedes(index) {
    if (this.#highlighted >= 0 && this.indices[index] !== this.#highlighted) return true
    if (this.hits && !this.hits[index]) return true
    if (!this.#lasso.length) return false
    this.#inLasso ??= new Set(this.#lasso)
    return !this.#inLasso.has(index)
  }

  /** The point nearest to the centre of the view, -1 where there is none. */
  get central() {
    const { x, y } = this.points
    const [centerX, centerY] = this.plot.get("cameraTarget")
    let nearest = -1
    let least = Infinity
    for (let i = 0; i < x.length; i++) {
      const distance = (x[i] - centerX) ** 2 + (y[i] - centerY) ** 2
      if (distance < least) [nearest, least] = [i, distance]
    }
    return nearest
  }

  destroy() {
    const context = this.plot.get("renderer").canvas.getContext("webgl")
    this.plot.destroy()
    release(context)
  }

  #listen() {
    const { hovered, lassoing, lassoed, moved, drawn } = this.#handlers
    const on = (event, action) => this.plot.subscribe(event, action)
    on("pointOver", hovered)
    on("pointOut", () => hovered(null))
    on("view", moved)
    on("drawing", drawn)
    // The library selects during a lasso, and again by the click that ends one near where it began.
    on("lassoStart", () => {
      this.#lassoing = true
      lassoing(true)
    })
    this.canvas.addEventListener("mousedown", () => (this.#lassoing = false), true)
    this.canvas.addEventListener("mousedown", () => this.#beginHere(), true)
    on("lassoEnd", () => {
      this.#keepLasso([...this.plot.get("selectedPoints")])
      lassoing(false)
      lassoed(this.#lasso)
    })
    on("select", ({ points }) => this.#lassoing || this.#selected(points))
    on("deselect", () => this.#lassoing || this.#selected([]))
  }

  /** The camera drags by all that the mouse moved since the last frame, which may be long before it was pressed. */
  #beginHere() {
    const camera = this.plot.get("camera")
    if (camera.tick()) camera.setView(camera.view) // what it did is still to be drawn
  }

  /** A click selects in the library; here a click on one point is a click, and leaves the lasso as it was. */
  #selected(indices) {
    if (indices.length === 1) {
      this.#handlers.clicked(indices[0])
      this.select(this.#lasso)
    } else {
      this.#keepLasso([...indices])
      this.#handlers.lassoed(this.#lasso)
    }
  }

  #keepLasso(indices) {
    this.#lasso = indices
    this.#inLasso = null
  }

  /** One size for all points; they are the fainter the denser they lie. */
  #alike() {
    return { pointSize: sizeOf(this.points.count), sizeBy: null, opacityBy: "density" }
  }

  /** What a search found is larger and opaque; for each colour, then for each receded one. */
  #found(colors) {
    const size = sizeOf(this.points.count)
    const large = Math.max(size, Math.min(LARGEST_HIT, sizeOf(this.hits.reduce((sum, hit) => sum + hit, 0))))
    const each = (found, other) => [...Array(colors).fill(found), ...Array(colors).fill(other)]
    return { pointSize: each(large, size), sizeBy: "valueA", opacity: each(1, FILL), opacityBy: "valueA" }
  }

  /** The order to draw in: what is highlighted, and found, lies in front. */
  #front(highlighted) {
    const order = [[], [], []]
    this.indices.forEach((color, index) => {
      order[Number(color === highlighted) + Number(this.hits?.[index] ?? 0)].push(index)
    })
    return order.flat()
  }
}
