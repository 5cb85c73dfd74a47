"""Cumulative layout shift, measured in the page itself: how far what is seen moves by itself."""

# What moved is said as "element: its rectangle before -> after".
WATCH = """
window.shifts = []
const place = ({ x, y, width, height }) => [x, y, width, height].map(Math.round).join(",")
const moved = ({ node, previousRect, currentRect }) => {
  const element = node?.nodeType === 3 ? node.parentElement : node
  const name = element?.closest?.("[data-testid]")?.dataset.testid ?? element?.nodeName
  const keyed = element?.closest?.("[class*=st-key-]")
  const key = [...(keyed?.classList ?? [])].find(each => each.startsWith("st-key"))
  return `${name} ${key ?? ""} ${place(previousRect)} -> ${place(currentRect)}`
}
new PerformanceObserver(list => {
  for (const each of list.getEntries())
    if (!each.hadRecentInput) shifts.push([each.value, each.startTime, each.sources.map(moved)])
}).observe({ type: "layout-shift", buffered: true })
"""

# As https://web.dev/articles/cls counts: the worst window of 5 s without a gap of 1 s.
WORST = """() => {
  let worst = 0, sum = 0, start = -Infinity, last = -Infinity
  for (const [value, time] of shifts) {
    if (time - last > 1000 || time - start > 5000) [sum, start] = [0, time]
    sum += value
    last = time
    worst = Math.max(worst, sum)
  }
  return worst
}"""
