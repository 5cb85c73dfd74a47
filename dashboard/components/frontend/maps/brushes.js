import style from "./brushes.css"
import { component, element } from "../shared/lifecycle.js"
import shared from "../shared/shared.css"

const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 })

/** Histograms, side by side: dragging across one brushes a range of it, and so do its two handles. */
class Brushes {
  constructor(parent) {
    this.root = element("div", { className: "histograms" })
    this.nodes = [element("style", {}, shared + style), this.root]
    parent.append(...this.nodes)
    this.figures = []
  }

  update({ histograms }, emit) {
    const columns = histograms.map(({ column }) => column).join()
    if (columns !== this.columns) {
      this.columns = columns
      this.figures = histograms.map(() => new Figure())
      this.root.replaceChildren(...this.figures.map(({ root }) => root))
    }
    histograms.forEach((histogram, index) => this.figures[index].update(histogram, emit))
  }

  destroy() {
    for (const node of this.nodes) node.remove()
  }
}

/** One histogram: all images pale, those that pass the other brushes in colour, beside its own brush faint. */
class Figure {
  #from = null

  constructor() {
    this.title = element("span")
    this.said = element("span")
    this.clear = element("button", { type: "button", title: "Take the brush away" }, "clear")
    this.clear.onclick = () => this.#brush(-1, -1)
    this.bars = element("div", { className: "bars" })
    this.bars.onpointerdown = event => this.#start(event)
    this.bars.onpointermove = event => this.#from !== null && this.#show(this.#from, this.#binAt(event))
    this.bars.onpointerup = event => this.#end(event)
    this.bars.onpointercancel = () => this.#cancel()
    const handle = () => element("input", { type: "range", min: 0 })
    this.handles = [handle(), handle()]
    for (const each of this.handles) {
      each.oninput = () => this.#show(...this.handles.map(({ value }) => Number(value)))
      each.onchange = () => this.#brush(...this.handles.map(({ value }) => Number(value)).sort((a, b) => a - b))
    }
    this.root = element("figure", {},
      element("figcaption", {}, this.title, this.said, this.clear),
      this.bars, element("div", { className: "handles" }, ...this.handles))
  }

  update(histogram, emit) {
    this.histogram = histogram
    this.emit = emit
    const { title, all, kept } = histogram
    this.title.textContent = title
    this.handles.forEach((handle, end) => {
      handle.max = all.length - 1
      handle.setAttribute("aria-label", `${title}, ${end ? "to" : "from"}`)
    })
    const most = Math.max(...all, 1)
    const bar = count => element("i", { style: `height: ${(100 * Math.sqrt(count / most)).toFixed(2)}%` })
    this.bars.replaceChildren(...all.map((count, bin) => element("div",
      { title: `${this.#range(bin, bin)}: ${kept[bin].toLocaleString("en")} of ${count.toLocaleString("en")} images` },
      bar(count), bar(kept[bin]))))
    this.#cancel()
  }

  get #last() {
    return this.histogram.all.length - 1
  }

  #binAt({ clientX }) {
    const { left, width } = this.bars.getBoundingClientRect()
    return Math.min(Math.max(Math.floor((clientX - left) / width * (this.#last + 1)), 0), this.#last)
  }

  #start(event) {
    this.#from = this.#binAt(event)
    this.bars.setPointerCapture(event.pointerId)
    this.#show(this.#from, this.#from)
  }

  #end(event) {
    if (this.#from === null) return
    const ends = [this.#from, this.#binAt(event)].sort((a, b) => a - b)
    this.#from = null
    this.#brush(...ends)
  }

  #cancel() {
    this.#from = null
    this.#show(this.histogram.first, this.histogram.last)
  }

  #brush(first, last) {
    const whole = first <= 0 && (last < 0 || last === this.#last)
    this.emit("brush", [this.histogram.column, ...(whole ? [-1, -1] : [first, last])])
  }

  #show(one, other) {
    const [first, last] = one < 0 ? [0, this.#last] : [Math.min(one, other), Math.max(one, other)]
    const { kept } = this.histogram
    ;[...this.bars.children].forEach((bar, bin) => bar.classList.toggle("out", bin < first || bin > last))
    const count = kept.slice(first, last + 1).reduce((sum, each) => sum + each, 0).toLocaleString("en")
    this.said.textContent = one < 0 ? `${count} images` : `${this.#range(first, last)} · ${count}`
    this.clear.hidden = one < 0
    const ends = [first, last]
    this.handles.forEach((handle, end) => {
      handle.value = ends[end]
      handle.setAttribute("aria-valuetext", number.format(this.histogram.edges[ends[end] + end]))
    })
  }

  #range(first, last) {
    const { edges } = this.histogram
    const low = first > 0 ? number.format(edges[first]) : ""
    const high = last < this.#last ? number.format(edges[last + 1]) : ""
    return low && high ? `${low} – ${high}` : low ? `≥ ${low}` : high ? `≤ ${high}` : "all"
  }
}

export default component(Brushes)
