import style from "./image_box.css"
import { component, debounce, element, SharedValue } from "./shared/lifecycle.js"

const HINT =
  "Drag on the picture. With the keyboard: arrows move the box, Shift and arrows resize it, Escape clears it."
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }
/** Of the picture's side, for one press of an arrow key. */
const STEP = 0.02
/** Of the part that is seen, for a box that a key makes. */
const FIRST = 0.4
const LEAST_PIXELS = 4
const LEAST = 0.005
const WAIT = 350
/** Smaller pictures are enlarged to so many CSS pixels; those that are much smaller with their pixels. */
const SHOWN = 360
const PIXELATED = 160
/** Of a picture, in hundredths of the window's height. */
const HIGHEST = 70

/**
 * A picture on which one box is drawn, moved and resized, by pointer or keyboard.
 *
 * Boxes are [left, top, right, bottom] in fractions of the picture, within the part that the network sees.
 */
class ImageBox {
  #emit = () => {}
  #shared = new SharedValue()
  #box = null
  #drag = null
  #seen = [0, 0, 1, 1]

  constructor(parent) {
    this.image = element("img", { draggable: false })
    this.image.onload = () => this.#fit()
    this.shade = element("div", { className: "seen" })
    const corners = ["nw", "ne", "sw", "se"]
    this.handles = corners.map(corner => element("div", { className: `handle ${corner}`, corner }))
    this.frame = element("div", { className: "box", hidden: true }, ...this.handles)
    this.stage = element(
      "div",
      { className: "stage", tabIndex: 0, role: "application" },
      this.image, this.shade, this.frame,
    )
    this.spoken = element("div", { className: "announcement", "aria-live": "polite" })
    this.hint = element("figcaption", {}, HINT)
    this.root = element("figure", {}, this.stage, this.hint, this.spoken)
    this.style = element("style", {}, style)
    this.stage.addEventListener("pointerdown", event => this.#begin(event))
    this.stage.addEventListener("pointermove", event => this.#follow(event))
    this.stage.addEventListener("pointerup", event => this.#end(event))
    this.stage.addEventListener("pointercancel", () => this.#cancel())
    this.stage.addEventListener("keydown", event => this.#key(event))
    this.sendLater = debounce(() => this.#send(), WAIT)
    parent.append(this.style, this.root)
  }

  update(data, emit) {
    this.#emit = emit
    this.#seen = data.seen
    if (this.image.getAttribute("src") !== data.src) this.image.src = data.src
    this.image.alt = data.alt
    this.stage.setAttribute("aria-label", `${data.label}. ${HINT}`)
    const everything = data.seen.every((edge, index) => Math.abs(edge - (index > 1)) < 1e-3)
    this.shade.classList.toggle("everything", everything)
    place(this.shade, data.seen)
    const box = data.box?.length ? data.box : null
    if (this.#shared.receive(box) && !this.#drag) this.#show(box)
  }

  destroy() {
    this.sendLater.cancel()
    this.style.remove()
    this.root.remove()
  }

  #fit() {
    const { naturalWidth, naturalHeight } = this.image
    const longer = Math.max(naturalWidth, naturalHeight)
    const width = Math.round(naturalWidth * Math.max(1, SHOWN / longer))
    const highest = (HIGHEST * naturalWidth) / naturalHeight
    this.image.classList.toggle("pixelated", longer < PIXELATED)
    this.stage.style.width = `min(100%, ${width}px, ${highest}vh)`
  }

  /** Where on the picture a pointer is, in fractions, within what is seen. */
  #at(event) {
    const { left, top, width, height } = this.image.getBoundingClientRect()
    const [x, y] = [(event.clientX - left) / width, (event.clientY - top) / height]
    return [between(x, this.#seen[0], this.#seen[2]), between(y, this.#seen[1], this.#seen[3])]
  }

  #begin(event) {
    if (event.button) return
    event.preventDefault()
    this.stage.focus({ preventScroll: true })
    this.stage.setPointerCapture(event.pointerId)
    const { corner } = event.target
    const start = this.#at(event)
    const before = this.#box
    if (corner) this.#drag = { before, anchor: opposite(before, corner) }
    else if (event.target === this.frame) this.#drag = { before, from: start }
    else this.#drag = { before, anchor: start }
  }

  #follow(event) {
    if (!this.#drag) return
    const [x, y] = this.#at(event)
    const { before, anchor, from } = this.#drag
    if (from) this.#show(moved(before, x - from[0], y - from[1], this.#seen))
    else this.#show(sorted(...anchor, x, y))
  }

  #end(event) {
    if (!this.#drag) return
    this.#follow(event)
    const { before } = this.#drag
    this.#drag = null
    const { width, height } = this.image.getBoundingClientRect()
    const box = this.#box
    const isClick = (box[2] - box[0]) * width < LEAST_PIXELS || (box[3] - box[1]) * height < LEAST_PIXELS
    if (isClick) this.#show(before)
    else this.#send()
  }

  #cancel() {
    if (this.#drag) this.#show(this.#drag.before)
    this.#drag = null
  }

  #key(event) {
    if (event.key === "Escape" && this.#box) {
      event.preventDefault()
      event.stopPropagation()
      this.#drag = null
      this.#show(null)
      this.sendLater()
      return
    }
    const step = STEPS[event.key]
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    event.stopPropagation()
    const [x, y] = step.map(each => each * STEP)
    if (!this.#box) this.#show(first(this.#seen))
    else if (event.shiftKey) this.#show(resized(this.#box, x, y, this.#seen))
    else this.#show(moved(this.#box, x, y, this.#seen))
    this.sendLater()
  }

  #show(box) {
    this.#box = box
    this.frame.hidden = !box
    if (box) place(this.frame, box)
  }

  #send() {
    this.sendLater.cancel()
    const box = this.#box && this.#box.map(edge => Number(edge.toFixed(4)))
    this.spoken.textContent = said(box)
    this.#shared.send(box)
    this.#emit("box", box ?? [])
  }
}

function place(what, [left, top, right, bottom]) {
  const share = value => `${100 * value}%`
  Object.assign(what.style, {
    left: share(left), top: share(top), width: share(right - left), height: share(bottom - top),
  })
}

function between(value, low, high) {
  return Math.min(Math.max(value, low), high)
}

function sorted(x, y, otherX, otherY) {
  return [Math.min(x, otherX), Math.min(y, otherY), Math.max(x, otherX), Math.max(y, otherY)]
}

/** The corner of a box that stays where it is while this one is dragged. */
function opposite([left, top, right, bottom], corner) {
  return [corner.endsWith("w") ? right : left, corner.startsWith("n") ? bottom : top]
}

/** A box moved by (x, y), as far as what is seen reaches. */
function moved([left, top, right, bottom], x, y, seen) {
  const across = between(x, seen[0] - left, seen[2] - right)
  const down = between(y, seen[1] - top, seen[3] - bottom)
  return [left + across, top + down, right + across, bottom + down]
}

/** A box whose right and lower edge are moved by (x, y). */
function resized([left, top, right, bottom], x, y, seen) {
  return [
    left, top,
    between(right + x, Math.min(left + LEAST, seen[2]), seen[2]),
    between(bottom + y, Math.min(top + LEAST, seen[3]), seen[3]),
  ]
}

/** A box in the middle of what is seen. */
function first([left, top, right, bottom]) {
  const [x, y] = [(left + right) / 2, (top + bottom) / 2]
  const [width, height] = [(right - left) * FIRST, (bottom - top) * FIRST]
  return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
}

function said(box) {
  if (!box) return "No box"
  const [left, top, right, bottom] = box.map(edge => `${Math.round(100 * edge)} %`)
  return `Box from ${left} to ${right} across, from ${top} to ${bottom} down`
}

export default component(ImageBox)
