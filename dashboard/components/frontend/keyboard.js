import style from "./keyboard.css"
import { component, debounce, element } from "./shared/lifecycle.js"
import { follow, go } from "./shared/links.js"

const WRITES = "input, textarea, select, [contenteditable=true], [role=slider], [role=combobox]"
const PAUSE = 150
const SIGNS = { ArrowLeft: "←", ArrowRight: "→" }

/**
 * What is heard on the whole page: its keys, and clicks on the links of `dashboard/views/link_html.py`.
 * The keys of `data.keys` go to an address, "/" finds, "?" says which keys there are.
 */
class Keyboard {
  #data = { keys: [], find: "" }
  #asked = 0

  constructor(parent) {
    this.dialog = element("dialog")
    this.dialog.addEventListener("click", event => event.target === this.dialog && this.dialog.close())
    this.nodes = [element("style", {}, style), this.dialog]
    parent.append(...this.nodes)
    this.find = debounce(text => this.#find(text), PAUSE)
    document.addEventListener("keydown", this.#press)
    document.addEventListener("click", this.#click)
  }

  update(data) {
    this.#data = data
  }

  destroy() {
    document.removeEventListener("keydown", this.#press)
    document.removeEventListener("click", this.#click)
    for (const node of this.nodes) node.remove()
  }

  #click = event => {
    const link = event.target.closest?.("a.within")
    if (link) follow(event, link.href)
  }

  #press = event => {
    const target = event.composedPath()[0]
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || this.dialog.open) return
    if (target.matches?.(WRITES)) return
    // An arrow belongs to what has the focus, such as a grid of images.
    const free = event.key.length === 1 || target === document.body
    const known = this.#data.keys.find(each => each.address && each.keys.includes(event.key))
    const action = known && free ? () => go(known.address) : { "/": this.#openFind, "?": this.#openHelp }[event.key]
    if (!action) return
    event.preventDefault()
    action()
  }

  #openHelp = () => {
    const rows = this.#data.keys.map(each => [each.keys.map(key => SIGNS[key] ?? key).join(" "), each.label])
    const all = [...rows, ["/", "Find images, classes, channels, findings and pages"], ["?", "These keys"]]
    this.dialog.ariaLabel = "Keys"
    this.dialog.replaceChildren(...all.map(([keys, label]) => element("p", {}, element("kbd", {}, keys), label)))
    this.dialog.showModal()
  }

  #openFind = () => {
    const input = element("input", { type: "search", "aria-label": "Find", placeholder: "image, class, channel, finding or page" })
    this.list = element("div", { "aria-live": "polite" })
    input.addEventListener("input", () => this.find(input.value))
    this.dialog.onkeydown = event => this.#walk(event)
    this.dialog.ariaLabel = "Find"
    this.dialog.replaceChildren(input, this.list)
    this.dialog.showModal()
  }

  #walk(event) {
    const links = [...this.list.querySelectorAll("a")]
    const here = links.indexOf(event.composedPath()[0])
    const next = { ArrowDown: links[here + 1], ArrowUp: links[here - 1] }[event.key]
    if (next) next.focus()
    else if (event.key === "Enter" && here < 0 && links.length) links[0].click()
    // A search box would only be emptied by the first one.
    else if (event.key === "Escape") this.dialog.close()
    else return
    event.preventDefault()
  }

  async #find(text) {
    const asked = ++this.#asked
    const url = new URL(this.#data.find + encodeURIComponent(text), document.baseURI)
    const found = text.trim() ? await (await fetch(url)).json() : []
    // Another word was written meanwhile.
    if (asked !== this.#asked) return
    this.list.replaceChildren(...(found.length || !text.trim() ? found.map(each => this.#hit(each)) : ["Nothing is called so."]))
  }

  #hit({ title, kind, address }) {
    const href = new URL(address, document.baseURI).href
    const link = element("a", { href }, element("span", {}, title), element("span", {}, kind))
    link.addEventListener("click", event => {
      this.dialog.close()
      follow(event, href)
    })
    return link
  }
}

export default component(Keyboard)
