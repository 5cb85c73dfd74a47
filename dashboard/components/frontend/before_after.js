const CSS = `
:host { display: block; }
figure {
  position: relative;
  margin: 0;
  overflow: hidden;
  border-radius: var(--st-base-radius);
  cursor: ew-resize;
  touch-action: pan-y;
  user-select: none;
}
img { display: block; width: 100%; height: 100%; pointer-events: none; image-rendering: pixelated; }
.before { position: absolute; inset: 0; clip-path: inset(0 calc(100% - var(--at)) 0 0); }
figure::after {
  content: "";
  position: absolute;
  inset: 0 auto 0 calc(var(--at) - 1px);
  width: 2px;
  background: #fff;
  box-shadow: 0 0 2px rgb(0 0 0 / 70%);
}
.name {
  position: absolute;
  top: 0.5rem;
  padding: 0.1rem 0.5rem;
  font: 0.8rem var(--st-font);
  color: #fff;
  background: rgb(0 0 0 / 65%);
  border-radius: var(--st-base-radius);
}
.left { left: 0.5rem; }
.right { right: 0.5rem; }
input { display: block; width: 100%; margin: 0.5rem 0 0; accent-color: var(--st-primary-color); }`

function element(name, properties) {
  return Object.assign(document.createElement(name), properties)
}

export default function ({ data, parentElement }) {
  let figure = parentElement.querySelector("figure")
  if (!figure) {
    figure = drawn(parentElement)
  }
  figure.parentElement.style.maxWidth = `${data.width}px`
  const [before, after] = ["before", "after"].map(name => figure.querySelector(`.${name}`))
  Object.assign(before, { src: data.before, alt: data.alt[0] })
  Object.assign(after, { src: data.after, alt: data.alt[1] })
}

function drawn(parent) {
  const whole = element("div", {}), figure = element("figure", {})
  const input = element("input", { type: "range", min: 0, max: 100, value: 50, step: "any" })
  input.setAttribute("aria-label", "How much of the picture before is seen, in percent")
  const show = share => {
    input.value = share
    figure.style.setProperty("--at", `${input.value}%`)
  }
  const follow = event => {
    const { left, width } = figure.getBoundingClientRect()
    if (event.buttons) show((100 * (event.clientX - left)) / width)
  }
  figure.append(
    element("img", { className: "after" }),
    element("img", { className: "before" }),
    element("span", { className: "name left", textContent: "before" }),
    element("span", { className: "name right", textContent: "after" }),
  )
  figure.onpointerdown = event => {
    figure.setPointerCapture(event.pointerId)
    follow(event)
  }
  figure.onpointermove = follow
  input.oninput = () => show(input.value)
  show(50)
  whole.append(figure, input)
  parent.append(element("style", { textContent: CSS }), whole)
  return figure
}
