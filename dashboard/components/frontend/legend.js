import { element } from "./lifecycle.js"

const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 })

/** The legend: a button a category that highlights it, or the ends of a colour scale. */
export class Legend {
  #onHighlight

  constructor(onHighlight) {
    this.#onHighlight = onHighlight
    this.root = element("div", { className: "legend", role: "group" })
  }

  /** @param counts points of each category; the last is for points without one */
  show(legend, counts, unknown) {
    this.root.setAttribute("aria-label", `Colours: ${legend.title}`)
    this.root.replaceChildren(element("h4", {}, legend.title))
    this.root.append(...(legend.categories ? this.#entries(legend, counts, unknown) : scale(legend)))
  }

  /** Shows which category is highlighted, null for none. */
  highlight(name) {
    const buttons = [...this.root.querySelectorAll("button")]
    for (const button of buttons) button.ariaPressed = String(button.category === name)
    this.root.classList.toggle("highlighting", buttons.some(button => button.category === name))
  }

  #entries(legend, counts, unknown) {
    const { categories, colors } = legend
    const entries = categories.map((name, index) => this.#entry(name, colors[index], counts[index]))
    const without = counts[categories.length]
    const nameless = [swatch(unknown), "none", count(without)]
    if (without) entries.push(element("div", { className: "without" }, ...nameless))
    return entries
  }

  #entry(name, color, points) {
    const title = element("span", { className: "name" }, name)
    const properties = { type: "button", title: `Highlight ${name}` }
    const button = element("button", properties, swatch(color), title, count(points))
    button.category = name
    button.onclick = () => this.#onHighlight(button.ariaPressed === "true" ? null : name)
    return button
  }
}

function swatch(color) {
  const made = element("span", { className: "swatch" })
  made.style.background = color
  return made
}

function count(points = 0) {
  return element("span", { className: "count" }, points.toLocaleString("en"))
}

function scale({ colors, low, high, unit }) {
  const bar = element("div", { className: "scale" })
  bar.style.background = `linear-gradient(to right, ${colors.join(", ")})`
  const end = (value, sign) => element("span", {}, `${sign}${number.format(value)}`)
  const ends = [end(low, "≤ "), element("span", {}, unit), end(high, "≥ ")]
  return [bar, element("div", { className: "ends" }, ...ends)]
}
