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
    const entries = legend.categories.map((name, index) => this.#entry(name, legend.colors[index], counts[index]))
    const without = counts[legend.categories.length]
    if (without) {
      entries.push(element("div", { className: "without" }, swatch(unknown), ` none: ${without.toLocaleString("en")}`))
    }
    return entries
  }

  #entry(name, color, count) {
    const total = element("span", { className: "count" }, (count ?? 0).toLocaleString("en"))
    const title = element("span", { className: "name" }, name)
    const button = element("button", { type: "button", title: `Highlight ${name}` }, swatch(color), title, total)
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

function scale({ colors, low, high, unit }) {
  const bar = element("div", { className: "scale" })
  bar.style.background = `linear-gradient(to right, ${colors.join(", ")})`
  const end = (value, sign) => element("span", {}, `${sign}${number.format(value)}`)
  return [bar, element("div", { className: "ends" }, end(low, "≤ "), element("span", {}, unit), end(high, "≥ "))]
}
