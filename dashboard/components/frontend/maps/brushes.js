import style from "./brushes.css"
import { component, element } from "../shared/lifecycle.js"
import shared from "../shared/shared.css"

/** Histograms, of which a drag or two handles brush a range, and lists, of which a click chooses a value. */
class Brushes {
  constructor(parent) {
    this.root = element("div", { className: "histograms" })
    this.nodes = [element("style", {}, shared + style), this.root]
    parent.append(...this.nodes)
    this.figures = []
  }

  update({ histograms, lists }, emit) {
    const columns = JSON.stringify([histograms, lists].map(each => each.map(({ column }) => column)))
    if (columns !== this.columns) {
      this.columns = columns
      this.figures = [...histograms.map(() => new Figure()), ...lists.map(() => new List())]
      this.root.replaceChildren(...this.figures.map(({ root }) => root))
    }
    for (const [index, each] of [...histograms, ...lists].entries()) this.figures[index].update(each, emit)
  }

  destroy() {
    for (const node of this.nodes) node.remove()
  }
}

/** One histogram: all images pale, those that pass the other brushes in colour, beside its own brush faint. */
class Figure {
  #from = null

  constructor() {
    this.title = element("span", { className: "title" })
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
    const { title, all, kept, digits } = histogram
    this.number = new Intl.NumberFormat("en", { maximumSignificantDigits: digits })
    this.title.textContent = this.title.title = title
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

  /** Shows what the search asks for: a range that was typed is seldom one of whole bins. */
  #cancel() {
    this.#from = null
    const { first, last, asked, found } = this.histogram
    this.#show(first, last)
    if (asked) this.said.textContent = `${asked} · ${found.toLocaleString("en")}`
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
      handle.setAttribute("aria-valuetext", this.number.format(this.histogram.edges[ends[end] + end]))
    })
  }

  #range(first, last) {
    const { number, histogram: { edges } } = this
    const low = first > 0 ? number.format(edges[first]) : ""
    const high = last < this.#last ? number.format(edges[last + 1]) : ""
    return low && high ? `${low} – ${high}` : low ? `≥ ${low}` : high ? `≤ ${high}` : "all"
  }
}

/** The values of a column, each a button with its count; its bar is as in a histogram. */
class List {
  #buttons = []

  constructor() {
    this.title = element("span", { className: "title" })
    this.said = element("span")
    this.values = element("div", { className: "values", role: "group" })
    this.root = element("figure", {}, element("figcaption", {}, this.title, this.said), this.values)
  }

  update({ column, title, values, more }, emit) {
    this.title.textContent = this.title.title = title
    this.values.setAttribute("aria-label", title)
    const chosen = values.filter(each => each.chosen).length
    this.said.textContent = [chosen && `${chosen} chosen`, more && `${more.toLocaleString("en")} more values`]
      .filter(Boolean).join(" · ")
    const most = Math.max(...values.map(({ all }) => all), 1)
    // The buttons stay, and with them the focus of the keyboard.
    while (this.#buttons.length < values.length) this.#buttons.push(element("button", { type: "button" }))
    this.values.replaceChildren(...this.#buttons.slice(0, values.length))
    values.forEach(({ number, name, all, kept, chosen }, index) => {
      const button = this.#buttons[index]
      const bar = count => element("i", { style: `width: ${(100 * Math.sqrt(count / most)).toFixed(2)}%` })
      button.replaceChildren(bar(all), bar(kept),
        element("span", {}, name), element("span", {}, kept.toLocaleString("en")))
      button.title = `${name}: ${kept.toLocaleString("en")} of ${all.toLocaleString("en")} images`
      button.setAttribute("aria-pressed", chosen)
      button.onclick = () => emit("value", [column, number])
    })
  }
}

export default component(Brushes)
