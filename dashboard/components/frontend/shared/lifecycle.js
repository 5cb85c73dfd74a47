// What every component here shares: one widget per mounted element, values owned by Python, theme colours.

const mounted = new WeakMap()
const MOST_ON_THE_WAY = 8

/**
 * Turns a widget class into the function that Streamlit calls on every rerun.
 *
 * Streamlit calls it again in the same parent whenever data or theme change, and it calls the clean-up of
 * a run that was overtaken by a newer one. So the widget lives on between runs, and only the clean-up of
 * the newest run ends it.
 *
 * @param Widget class with constructor(parentElement), update(data, emit) and destroy()
 */
export function component(Widget) {
  return ({ data, parentElement, setTriggerValue }) => {
    const entry = mounted.get(parentElement) ?? { widget: new Widget(parentElement), run: 0 }
    mounted.set(parentElement, entry)
    const run = ++entry.run
    entry.widget.update(data, setTriggerValue)
    return () => {
      if (entry.run !== run) return
      mounted.delete(parentElement)
      entry.widget.destroy()
    }
  }
}

/**
 * A value that the person and Python both set (camera, bounds).
 *
 * What the person did is on its way to Python and back while he goes on: an echo of it must not move the
 * view again. Anything else that Python sends (a link, the browser's Back) is to be applied.
 */
export class SharedValue {
  #sent = []
  #received = JSON.stringify(null)

  /** Notes a value sent to Python. */
  send(value) {
    this.#sent = [...this.#sent.slice(-MOST_ON_THE_WAY), JSON.stringify(value)]
  }

  /** @returns {boolean} whether a value that came from Python is to be applied */
  receive(value) {
    const text = JSON.stringify(value ?? null)
    if (text === this.#received) return false
    this.#received = text
    const echo = this.#sent.indexOf(text)
    this.#sent = this.#sent.slice(echo + 1)
    return echo < 0
  }
}

/** Calls `action` once, `delay` ms after the last call. */
export function debounce(action, delay) {
  let timer
  const debounced = (...values) => {
    clearTimeout(timer)
    timer = setTimeout(() => action(...values), delay)
  }
  debounced.cancel = () => clearTimeout(timer)
  return debounced
}

/** Makes an element: element("button", { className: "tool" }, "Fit", child, …). */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("aria-") || name === "role") made.setAttribute(name, value)
    else made[name] = value
  }
  made.append(...children)
  return made
}

/** A theme variable's colour, e.g. themeColor(root, "--st-text-color"), as [r, g, b, 1] in 0..1. */
export function themeColor(root, name) {
  const context = new OffscreenCanvas(1, 1).getContext("2d")
  context.fillStyle = getComputedStyle(root).getPropertyValue(name).trim()
  context.fillRect(0, 0, 1, 1)
  return [...context.getImageData(0, 0, 1, 1).data].map(value => value / 255)
}
