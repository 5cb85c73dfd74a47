import { element } from "../shared/lifecycle.js"
import { fetchBuffer } from "../shared/point_data.js"

const LINE = 1.5
const HALO = 4
const GAP = 4

/** Outlines of a map's clusters on a canvas above its points, and their names, as many as don't cover each other. */
export class Clusters {
  #shown = "[\"\",[]]"
  #clusters = []

  /** @param clicked called with a cluster's number; redraw called when there is more to draw */
  constructor(clicked, redraw) {
    this.canvas = element("canvas", { className: "outlines" })
    this.names = element("div", { className: "names" })
    this.context = this.canvas.getContext("2d")
    this.clicked = clicked
    this.redraw = redraw
  }

  /**
   * Shows the clusters at this address; none for "".
   *
   * @param titles pairs of a class and what people call it
   */
  open(address, titles) {
    const shown = JSON.stringify([address, titles])
    if (shown === this.#shown) return
    this.#shown = shown
    this.#clusters = []
    this.names.replaceChildren()
    if (!address) return
    const names = new Map(titles)
    fetchBuffer(address).then(buffer => {
      if (shown !== this.#shown) return
      this.#clusters = JSON.parse(new TextDecoder().decode(buffer)).clusters.map((cluster, number) => ({
        ...cluster,
        button: this.#button({ ...cluster, name: names.get(cluster.name) ?? cluster.name }, number),
      }))
      this.names.append(...this.#clusters.map(({ button }) => button))
      for (const cluster of this.#clusters) {
        cluster.width = cluster.button.offsetWidth
        cluster.height = cluster.button.offsetHeight
      }
      this.redraw()
    }, () => (this.#shown = null))
  }

  /**
   * Draws what is in a view { x, y, width, height, scale } of the plot.
   *
   * @param toolbar what names must not lie below, in the view's top left corner
   */
  draw(view, toolbar) {
    this.#fit(view)
    if (!this.#clusters.length) return
    const place = (x, y) => [view.width / 2 + (x - view.x) * view.scale, view.height / 2 - (y - view.y) * view.scale]
    this.#outline(place)
    const taken = [[0, 0, toolbar.offsetLeft + toolbar.offsetWidth, toolbar.offsetTop + toolbar.offsetHeight]]
    for (const { x, y, width, height, button } of this.#clusters) {
      const [middle, center] = place(x, y)
      const left = Math.round(Math.max(Math.min(middle - width / 2, view.width - width - GAP), GAP))
      const top = Math.round(center - height / 2)
      const box = [left - GAP, top - GAP, left + width + GAP, top + height + GAP]
      const within = middle > 0 && middle < view.width && center > 0 && center < view.height
      const free = within && !taken.some(other => meet(box, other))
      button.hidden = !free
      button.style.transform = `translate(${left}px, ${top}px)`
      if (free) taken.push(box)
    }
  }

  #outline(place) {
    const path = new Path2D()
    for (const { rings } of this.#clusters) {
      for (const ring of rings) {
        for (let at = 0; at < ring.length; at += 2) path[at ? "lineTo" : "moveTo"](...place(ring[at], ring[at + 1]))
        path.closePath()
      }
    }
    const { color, outlineColor } = getComputedStyle(this.canvas)
    this.context.lineJoin = "round"
    for (const [style, width] of [[outlineColor, HALO], [color, LINE]]) {
      this.context.strokeStyle = style
      this.context.lineWidth = width
      this.context.stroke(path)
    }
  }

  #button({ name, share, images }, number) {
    const count = `${images.toLocaleString("en")} images`
    const button = element("button", { type: "button", title: `Select these ${count}` })
    if (name === null) button.append(count)
    else {
      button.title += `: ${name}`
      button.append(element("span", { className: "name" }, name), element("span", { className: "share" }, percent(share)))
    }
    button.onclick = () => this.clicked(number)
    return button
  }

  #fit({ width, height }) {
    const ratio = window.devicePixelRatio || 1
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)]
    if (this.canvas.width !== wide || this.canvas.height !== high) Object.assign(this.canvas, { width: wide, height: high })
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0)
    this.context.clearRect(0, 0, width, height)
  }
}

function percent(share) {
  return `${Math.round(100 * share)}%`
}

/** Whether two boxes [left, top, right, bottom] have a part in common. */
function meet([left, top, right, bottom], [otherLeft, otherTop, otherRight, otherBottom]) {
  return left < otherRight && otherLeft < right && top < otherBottom && otherTop < bottom
}
