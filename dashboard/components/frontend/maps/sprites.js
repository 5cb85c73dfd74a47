import { Sheets } from "./sheets.js"

/** Side of a thumbnail, and the largest that it grows to where there is room, in CSS pixels. */
const SIDE = 44
const LARGEST = 96
const FRAME = 2

/**
 * Thumbnails in the place of a map's points, on a canvas above them: as many as don't cover each other.
 *
 * The map reaches from -1 to 1; its tiles at level z are 2 / 2^z wide.
 */
export class Sprites {
  #placed = []
  #sheets = null

  /** @param redraw called when there is more to draw */
  constructor(canvas, redraw) {
    this.canvas = canvas
    this.context = canvas.getContext("2d")
    this.redraw = redraw
    /** "near": where those in view would fit side by side; "always"; "never". */
    this.mode = "never"
  }

  /** Shows the thumbnails at this address. */
  open(address) {
    if (this.#sheets?.address === address) return
    this.close()
    const sheets = (this.#sheets = new Sheets(address, this.redraw))
    this.levels = null
    sheets.levels().then(levels => {
      if (this.#sheets !== sheets) return
      this.levels = levels
      this.redraw()
    }, () => {})
  }

  close() {
    this.#sheets?.destroy()
    this.#sheets = null
  }

  /** Draws the thumbnails that are in view. */
  draw(plot, points) {
    const { width, height, scale } = plot.view
    this.#fit(width, height)
    this.#placed = []
    if (!this.levels || !this.#due(plot.view, points)) return
    const level = this.#level(scale)
    const spacing = (2 / this.levels.across / 2 ** level) * scale
    const side = level < this.levels.deepest ? SIDE : Math.min(Math.max(spacing, SIDE), LARGEST)
    const tiles = inView(plot.view, level)
    this.#sheets.want(tiles)
    for (const tile of tiles) {
      for (const [sheet, place, index] of this.#found(tile, points)) this.#put(sheet, place, index, plot, side)
    }
  }

  /** The index of the point whose thumbnail is at a place of the view; null where there is none. */
  at([left, top]) {
    const hit = this.#placed.findLast(
      ({ x, y, side }) => Math.abs(left - x) <= side / 2 && Math.abs(top - y) <= side / 2)
    return hit ? hit.index : null
  }

  #due(view, points) {
    if (this.mode !== "near") return this.mode === "always"
    return fewerInView(points, view, (view.width * view.height) / SIDE ** 2)
  }

  /** The finest level at which the thumbnails don't cover each other. */
  #level(scale) {
    const room = (2 / this.levels.across) * scale / SIDE
    return Math.min(Math.max(Math.floor(Math.log2(room)), 0), this.levels.deepest)
  }

  /** The thumbnails of a tile [sheet, place in it, index]: its own, or what is there of a coarser level or a finer. */
  *#found([z, x, y], points) {
    const own = this.#sheets.get(z, x, y)
    if (own) return yield* shown(own, z, points)
    for (let up = 1; up <= z; up++) {
      const sheet = this.#sheets.get(z - up, x >> up, y >> up)
      if (!sheet) continue
      for (const found of shown(sheet, z, points)) {
        if (tileOf(points.x[found[2]], z) === x && tileOf(points.y[found[2]], z) === y) yield found
      }
      return
    }
    for (const [right, up] of [[0, 0], [1, 0], [0, 1], [1, 1]]) {
      const sheet = this.#sheets.get(z + 1, 2 * x + right, 2 * y + up)
      if (sheet) yield* shown(sheet, z, points)
    }
  }

  /** What recedes stays a point: those that are highlighted, found or in the lasso are seen the better. */
  #put(sheet, place, index, plot, side) {
    if (plot.recedes(index)) return
    const [x, y] = plot.position(index)
    const { context, levels } = this
    const left = (place % sheet.across) * levels.side
    const top = Math.floor(place / sheet.across) * levels.side
    context.fillStyle = plot.colorOf(index)
    context.fillRect(x - side / 2, y - side / 2, side, side)
    const inner = side - 2 * FRAME
    context.drawImage(sheet.picture, left, top, levels.side, levels.side, x - inner / 2, y - inner / 2, inner, inner)
    this.#placed.push({ index, x, y, side })
  }

  #fit(width, height) {
    const ratio = window.devicePixelRatio || 1
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)]
    if (this.canvas.width !== wide || this.canvas.height !== high) {
      this.canvas.width = wide
      this.canvas.height = high
    }
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0)
    this.context.clearRect(0, 0, width, height)
    this.context.imageSmoothingQuality = "medium"
  }
}

/** Whether a view shows no more than so many points. */
function fewerInView(points, { x, y, width, height, scale }, most) {
  const [wide, high] = [width / 2 / scale, height / 2 / scale]
  let count = 0
  for (let i = 0; i < points.count && count <= most; i++) {
    if (Math.abs(points.x[i] - x) <= wide && Math.abs(points.y[i] - y) <= high) count++
  }
  return count <= most
}

/** The tile of a level in which a coordinate lies. */
function tileOf(value, z) {
  return Math.floor(((value + 1) / 2) * 2 ** z)
}

/** The tiles [z, x, y] of a level that a view shows, those in its middle first. */
function inView({ x, y, width, height, scale }, z) {
  const range = (middle, half) => {
    const end = value => Math.min(Math.max(tileOf(value, z), 0), 2 ** z - 1)
    return [end(middle - half), end(middle + half)]
  }
  const [left, right] = range(x, (width + SIDE) / 2 / scale)
  const [bottom, top] = range(y, (height + SIDE) / 2 / scale)
  const tiles = []
  for (let row = bottom; row <= top; row++) {
    for (let column = left; column <= right; column++) tiles.push([z, column, row])
  }
  const [middle, center] = [(left + right) / 2, (bottom + top) / 2]
  const away = ([, column, row]) => Math.hypot(column - middle, row - center)
  return tiles.sort((one, other) => away(one) - away(other))
}

/** Those thumbnails of a sheet that level z shows [sheet, place in it, index of the point]. */
function* shown(sheet, z, points) {
  for (let place = 0; place < sheet.ids.length; place++) {
    if (sheet.levels[place] > z) continue
    const index = points.indexOf(sheet.ids[place])
    if (index !== undefined) yield [sheet, place, index]
  }
}
