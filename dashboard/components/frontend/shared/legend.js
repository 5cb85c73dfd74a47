import { element } from "./lifecycle.js"

const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 })
/** Categories from which on there is a field to find one. */
const MANY = 12
/** Categories that are listed at once, the most frequent ones. */
const MOST = 60

/** The legend: a button a category that highlights it, or the ends of a colour scale. */
export class Legend {
  #onHighlight
  #highlighted = null

  constructor(onHighlight) {
    this.#onHighlight = onHighlight
    this.root = element("div", { className: "legend", role: "group" })
  }

  /**
   * @param legend its names are what people call its categories
   * @param counts points of each category; the last is for points without one
   */
  show(legend, counts, unknown) {
    this.legend = legend
    this.counts = counts
    this.root.setAttribute("aria-label", `Colours: ${legend.title}`)
    this.root.replaceChildren(element("h4", {}, legend.title))
    if (!legend.categories) return this.root.append(...scale(legend))
    if (legend.categories.length > MANY) this.root.append(this.#finder())
    this.entries = element("div", { className: "entries" })
    this.root.append(this.entries)
    const without = counts[legend.categories.length]
    if (without) this.root.append(element("div", { className: "without" }, swatch(unknown), "none", count(without)))
    this.#list("")
  }

  /** Shows which category is highlighted, null for none. */
  highlight(name) {
    this.#highlighted = name
    const buttons = [...this.root.querySelectorAll("button")]
    for (const button of buttons) button.ariaPressed = String(button.category === name)
    this.root.classList.toggle("highlighting", Boolean(this.legend?.categories?.includes(name)))
  }

  #finder() {
    const label = `Find in ${this.legend.categories.length} colours`
    const field = element("input", { type: "search", placeholder: "Find …", "aria-label": label })
    field.oninput = () => this.#list(field.value.trim().toLowerCase())
    return field
  }

  /** Lists the categories that occur and have `text` in their name, the most frequent ones of too many. */
  #list(text) {
    const { names } = this.legend
    const found = [...names.keys()].filter(index => this.counts[index] && names[index].toLowerCase().includes(text))
    const frequent = found.toSorted((a, b) => (this.counts[b] ?? 0) - (this.counts[a] ?? 0)).slice(0, MOST)
    this.entries.replaceChildren(...frequent.sort((a, b) => a - b).map(index => this.#entry(index)))
    if (!found.length) this.entries.append(element("p", {}, text ? "No such name." : "No image has one."))
    const more = found.length - frequent.length
    if (more) this.entries.append(element("p", {}, `and ${more.toLocaleString("en")} less frequent`))
    this.highlight(this.#highlighted)
  }

  #entry(index) {
    const { categories, names, colors } = this.legend
    const shown = names[index] || "(none)"
    const title = element("span", { className: "name" }, shown)
    const properties = { type: "button", title: `Highlight ${shown}` }
    const button = element("button", properties, swatch(colors[index]), title, count(this.counts[index]))
    button.category = categories[index]
    button.onclick = () => this.#onHighlight(button.ariaPressed === "true" ? null : button.category)
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

function scale({ colors, low, high, unit, clipped }) {
  if (low === high) return [element("p", {}, `all ${number.format(low)} ${unit}`)]
  const bar = element("div", { className: "scale" })
  bar.style.background = `linear-gradient(to right, ${colors.join(", ")})`
  const end = (value, sign) => element("span", {}, `${clipped ? sign : ""}${number.format(value)}`)
  const ends = [end(low, "≤ "), element("span", {}, unit), end(high, "≥ ")]
  return [bar, element("div", { className: "ends" }, ...ends)]
}
