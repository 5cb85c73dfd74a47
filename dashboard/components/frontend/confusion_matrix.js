import style from "./confusion_matrix.css"
import { component, element } from "./shared/lifecycle.js"

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }
/** The strongest mixture of a colour into the background: text upon it stays readable. */
const STRONGEST = 68
/** Classes up to which the cells carry their counts. */
const FEW = 25
/** Of the row names and of a cell that carries its count; cells shrink to fit the page. */
const WIDEST = { names: "9rem", cell: "3rem" }

/**
 * Images by label (rows) and prediction (columns); a click on a cell, or on a row's or a column's name, chooses
 * what it counts. One Tab stop; arrow keys move inside it.
 */
class ConfusionMatrix {
  #shown = null
  #titles = new Map()
  #emit = () => {}

  constructor(parent) {
    this.table = element("table", { role: "grid" })
    this.table.addEventListener("click", event => this.#click(event))
    this.table.addEventListener("keydown", event => this.#move(event))
    this.legend = element("div", { className: "legends" })
    const frame = element("div", { className: "frame" }, this.table)
    this.nodes = [element("style", {}, style), frame, this.legend]
    parent.append(...this.nodes)
  }

  update(data, emit) {
    this.#emit = emit
    const { counts, rows, cols, colors, label, titles } = data
    const text = JSON.stringify([counts, rows, cols, colors, label, titles])
    if (text !== this.#shown) this.#draw(data)
    this.#shown = text
    this.#select(data.selected)
  }

  destroy() {
    for (const node of this.nodes) node.remove()
  }

  get buttons() {
    return [...this.table.querySelectorAll("button")]
  }

  #draw({ counts, rows, cols, totals, colors, label, titles }) {
    this.#titles = new Map(titles)
    this.table.setAttribute("aria-label", label)
    this.table.classList.toggle("many", Math.max(rows.length, cols.length) > FEW)
    this.table.style.setProperty("--widest", `calc(${WIDEST.names} + ${cols.length} * ${WIDEST.cell})`)
    const shares = counts.map((row, r) => row.map(count => count / (totals[r] || 1)))
    const wrong = shares.flatMap((row, r) => row.filter((_, c) => rows[r] !== cols[c]))
    const most = Math.max(...wrong, 0)
    const corner = element("th", { className: "corner" }, "label ↓  predicted →")
    const names = cols.map((name, c) => {
      const called = this.#called(name)
      return header("col", called, cell(-1, c, null, name, { title: `predicted ${called}` }))
    })
    const body = rows.map((name, r) => {
      const called = this.#called(name)
      const own = header("row", called, cell(r, -1, name, null, { title: `label ${called}` }))
      return element("tr", {}, own, ...cols.map((other, c) => {
        const right = name === other
        const strength = right ? shares[r][c] : shares[r][c] / (most || 1)
        return element("td", {}, this.#cell(r, c, name, other, counts[r][c], shares[r][c], strength, colors))
      }))
    })
    this.table.replaceChildren(
      element("thead", {}, element("tr", {}, corner, ...names)), element("tbody", {}, ...body),
    )
    this.legend.replaceChildren(...legends(colors, most))
  }

  #cell(r, c, label, predicted, count, share, strength, colors) {
    const [called, taken] = [this.#called(label), this.#called(predicted)]
    const what = label === predicted ? `${called} recognised` : `${called} taken for ${taken}`
    const title = `${what}: ${count.toLocaleString("en")} images, ${percent(share)} of the label`
    const made = cell(r, c, label, predicted, { title })
    made.append(element("span", {}, count ? String(count) : ""))
    if (count) made.style.background = mixed(colors[Number(label === predicted)], strength)
    return made
  }

  /** What people call a class: by the name that it was given, if any. */
  #called(name) {
    return this.#titles.get(name) ?? name
  }

  #select([label, predicted]) {
    const chosen = button => Boolean(label || predicted)
      && (button.label ?? "") === (label ?? "") && (button.predicted ?? "") === (predicted ?? "")
    const { buttons } = this
    const stop = buttons.find(chosen) ?? buttons.find(button => button.tabIndex === 0) ?? buttons[0]
    for (const button of buttons) {
      button.ariaPressed = String(chosen(button))
      button.tabIndex = button === stop ? 0 : -1
    }
  }

  #click(event) {
    const button = event.target.closest("button")
    if (!button) return
    const cleared = button.ariaPressed === "true"
    this.#emit("clicked", cleared ? ["", ""] : [button.label ?? "", button.predicted ?? ""])
  }

  #move(event) {
    const here = event.target.closest("button")
    const step = STEPS[event.key]
    if (!here || !step) return
    const [row, col] = [here.row + step[0], here.col + step[1]]
    const next = this.buttons.find(button => button.row === row && button.col === col)
    if (!next) return
    event.preventDefault()
    here.tabIndex = -1
    next.tabIndex = 0
    next.focus()
  }
}

function cell(row, col, label, predicted, properties) {
  const made = element("button", { type: "button", "aria-label": properties.title, ...properties })
  return Object.assign(made, { row, col, label, predicted })
}

function header(scope, name, button) {
  button.append(element("span", {}, name))
  return element("th", { scope }, button)
}

function legends([wrong, right], most) {
  return [["recognised", right, 1], ["taken for another", wrong, most]].map(([name, color, high]) => {
    const bar = element("span", { className: "bar" })
    bar.style.background = `linear-gradient(to right in oklab, ${mixed(color, 0)}, ${mixed(color, 1)})`
    return element("span", { className: "legend" }, `${name}: 0`, bar, `${percent(high)} of the label`)
  })
}

/** From the background to the colour, at equal steps of lightness. */
function mixed(color, share) {
  return `color-mix(in oklab, ${color} ${(STRONGEST * share).toFixed(1)}%, var(--st-background-color))`
}

function percent(share) {
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%`
}

export default component(ConfusionMatrix)
