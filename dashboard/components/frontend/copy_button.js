const CSS = `
button {
  font: inherit;
  font-family: var(--st-font);
  color: var(--st-text-color);
  background: transparent;
  border: 1px solid var(--st-border-color);
  border-radius: var(--st-button-radius, var(--st-base-radius));
  padding: 0.25rem 0.75rem;
  min-height: 2.5rem;
  cursor: pointer;
}
button:hover, button:focus-visible {
  color: var(--st-primary-color);
  border-color: var(--st-primary-color);
  outline: none;
}`

const SAID = 2000

export default function ({ data, parentElement }) {
  let button = parentElement.querySelector("button")
  if (!button) {
    const style = document.createElement("style")
    style.textContent = CSS
    button = document.createElement("button")
    button.type = "button"
    parentElement.append(style, button)
  }
  button.textContent = data.label
  button.onclick = async () => {
    button.textContent = (await copied(data.text)) ? "Copied" : "Not copied: select the link and copy it"
    setTimeout(() => { button.textContent = data.label }, SAID)
  }
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    // Browsers have no clipboard for pages over plain HTTP from another machine.
    return copiedBySelection(text)
  }
}

function copiedBySelection(text) {
  const area = document.createElement("textarea")
  area.value = text
  area.style.position = "fixed"
  area.style.opacity = "0"
  document.body.append(area)
  area.select()
  const done = document.execCommand("copy")
  area.remove()
  return done
}
