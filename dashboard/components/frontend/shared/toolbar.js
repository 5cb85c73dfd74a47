import { element } from "./lifecycle.js"

/**
 * Buttons with Material icons, as the rest of the dashboard has them.
 *
 * @param tools array of { icon, label, action, toggle, there } where toggle() says whether the button is pressed,
 *   and there() whether there is one
 */
export class Toolbar {
  constructor(label, tools) {
    this.buttons = tools.map(tool => this.#button(tool))
    const properties = { className: "toolbar", role: "toolbar", "aria-label": label }
    this.root = element("div", properties, ...this.buttons)
    this.refresh()
  }

  #button(tool) {
    const icon = element("span", { className: "icon", "aria-hidden": "true" }, tool.icon)
    const button = element("button", { type: "button", title: tool.label, "aria-label": tool.label }, icon)
    button.onclick = () => {
      tool.action()
      this.refresh()
    }
    button.tool = tool
    return button
  }

  /** Shows which buttons there are, and which are pressed. */
  refresh() {
    for (const button of this.buttons) {
      button.hidden = button.tool.there?.() === false
      if (button.tool.toggle) button.ariaPressed = String(button.tool.toggle())
    }
  }
}
