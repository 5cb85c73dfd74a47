import { debounce, element } from "./lifecycle.js"

const GAP = 14
/** A sweep over the map must not ask for every image on its way. */
const FILL_DELAY = 50

/** A card with an image's thumbnail and caption beside the point it belongs to. */
export class HoverCard {
  #captions = new Map()
  #image = null
  #fill = debounce((image, data) => this.#fetch(image, data), FILL_DELAY)

  constructor() {
    this.picture = element("img", { alt: "" })
    this.text = element("p")
    this.root = element("div", { className: "card", hidden: true }, this.picture, this.text)
  }

  /** Shows the image at [x, y] of the view, on the side where there is room. */
  show(image, [x, y], data) {
    if (image !== this.#image) {
      this.#image = image
      this.picture.removeAttribute("src")
      this.text.replaceChildren(`image ${image}`)
      this.#fill(image, data)
    }
    this.root.hidden = false
    const { offsetWidth: width, offsetHeight: height, parentElement: view } = this.root
    const left = x + GAP + width > view.clientWidth ? x - GAP - width : x + GAP
    const top = Math.min(y - height / 2, view.clientHeight - height - 4)
    this.root.style.transform = `translate(${Math.max(left, 4)}px, ${Math.max(top, 4)}px)`
  }

  hide() {
    this.#image = null
    this.#fill.cancel()
    this.root.hidden = true
  }

  async #fetch(image, data) {
    this.picture.src = data.thumbnails + image
    const caption = await this.caption(image, data)
    if (this.#image === image) this.text.replaceChildren(...lines(called(caption, data)))
  }

  /** What is known of an image; just its id where the server can't be asked. */
  async caption(image, data) {
    const address = data.captions + image
    if (!this.#captions.has(address)) {
      const response = await fetch(new URL(address, document.baseURI)).catch(() => null)
      this.#captions.set(address, response?.ok ? await response.json() : { image_id: image })
    }
    return this.#captions.get(address)
  }
}

/** A caption in words, for screen readers. */
export function inWords(caption, data) {
  const { image_id: image, label, predicted } = called(caption, data)
  const parts = [`image ${image}`, label && `label ${label}`, predicted && `predicted ${predicted}`]
  return parts.filter(Boolean).join(", ")
}

/** A caption whose classes are called as people call them. */
function called(caption, { titles }) {
  const names = new Map(titles)
  const name = each => names.get(each) ?? each
  return { ...caption, label: name(caption.label), predicted: name(caption.predicted) }
}

function lines({ image_id: image, label, predicted, probability, correct }) {
  const made = [element("strong", {}, label ?? `image ${image}`)]
  if (label) made.push(` · image ${image}`)
  if (predicted) {
    const share = probability === null ? "" : ` ${probability.toFixed(2)}`
    const [className, sign] = correct === false ? ["wrong", "✗"] : ["", "→"]
    made.push(element("br"), element("span", { className }, `${sign} ${predicted}${share}`))
  }
  return made
}
