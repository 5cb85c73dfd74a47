// The buffers of a map, as dashboard/points.py writes them.

/** The points' positions: x, y in -1..1 with one scale for both, the image ids, and where an id is. */
export async function fetchPoints(address) {
  const buffer = await fetchBuffer(address)
  const count = buffer.byteLength / 12
  const ids = new Uint32Array(buffer, 8 * count, count)
  return {
    count,
    ids,
    ...normalize(new Float32Array(buffer, 0, count), new Float32Array(buffer, 4 * count, count)),
    indexOf: lookup(ids),
  }
}

/** One value an image, by image id. */
export async function fetchValues(address) {
  return new Float32Array(await fetchBuffer(address))
}

/** The image ids that a search found; null where there is no search. */
export async function fetchHits(address) {
  return address ? new Uint32Array(await fetchBuffer(address)) : null
}

/** 1 for each point whose image is among `ids`, 0 for the others. */
export function marks(points, ids) {
  const made = new Uint8Array(points.count)
  for (const id of ids) {
    const index = points.indexOf(id)
    if (index !== undefined) made[index] = 1
  }
  return made
}

/** The index of each point's colour; the one past the last colour is for points without a value. */
export function colorIndices(points, values, legend, steps) {
  const { low, high, categories } = legend
  const unknown = categories ? categories.length : steps
  const bin = value => Math.round(Math.min(Math.max((value - low) / (high - low || 1), 0), 1) * (steps - 1))
  const indices = new Float32Array(points.count)
  for (let i = 0; i < points.count; i++) {
    const value = values[points.ids[i]]
    indices[i] = Number.isNaN(value) ? unknown : categories ? value : bin(value)
  }
  return indices
}

/** How many points have each colour, by its index. */
export function countColors(indices) {
  const counts = []
  for (const index of indices) counts[index] = (counts[index] ?? 0) + 1
  return counts
}

/** `steps` colours between the given ones (hex), by linear interpolation. */
export function interpolate(colors, steps) {
  const stops = colors.map(channels)
  return Array.from({ length: steps }, (_, step) => {
    const place = (step / (steps - 1)) * (stops.length - 1)
    const left = Math.min(Math.floor(place), stops.length - 2)
    return mix(stops[left], stops[left + 1], place - left)
  })
}

/** A hex colour as [r, g, b, 1] in 0..1. */
export function channels(hex) {
  return [1, 3, 5].map(start => parseInt(hex.slice(start, start + 2), 16) / 255).concat(1)
}

/** The colour `share` of the way from `from` to `to`, both [r, g, b, a]. */
export function mix(from, to, share) {
  return from.map((value, channel) => value + share * (to[channel] - value))
}

/** The bytes at an address relative to the app; an Error with the server's own words where there are none. */
export async function fetchBuffer(address) {
  const response = await fetch(new URL(address, document.baseURI))
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
  return response.arrayBuffer()
}

function normalize(x, y) {
  const [left, right] = extent(x)
  const [bottom, top] = extent(y)
  const scale = (2 * 0.95) / (Math.max(right - left, top - bottom) || 1)
  const center = (values, middle) => values.map(value => (value - middle) * scale)
  return { x: center(x, (left + right) / 2), y: center(y, (bottom + top) / 2) }
}

function extent(values) {
  let low = Infinity
  let high = -Infinity
  for (const value of values) {
    if (value < low) low = value
    if (value > high) high = value
  }
  return values.length ? [low, high] : [0, 0]
}

function lookup(ids) {
  const places = new Map()
  ids.forEach((id, index) => places.set(id, index))
  return id => places.get(id)
}
