import { fetchBuffer } from "../shared/point_data.js"

/** Sheets that are kept, each of up to 1.5 MB. */
const KEPT = 64
const AT_ONCE = 4

/** The thumbnails of a map, a sheet a tile: those asked for last are kept, a few are fetched at once. */
export class Sheets {
  #kept = new Map()
  #wanted = []
  #onTheWay = new Set()
  #failed = new Set()

  /** @param changed called when a sheet has come */
  constructor(address, changed) {
    this.address = address
    this.changed = changed
  }

  /** The levels { deepest, across, side }, as dashboard/server/routes/thumbnail_sheets.py says them. */
  async levels() {
    return JSON.parse(new TextDecoder().decode(await fetchBuffer(this.address)))
  }

  /** The sheet of a tile { ids, levels, across, picture }; undefined where it is not there (yet). */
  get(z, x, y) {
    const name = `${z}/${x}_${y}`
    const sheet = this.#kept.get(name)
    if (sheet) {
      this.#kept.delete(name)
      this.#kept.set(name, sheet)
    }
    return sheet
  }

  /** Fetches these tiles [z, x, y], the first ones first; those asked for before and not now are let be. */
  want(tiles) {
    const names = tiles.map(([z, x, y]) => `${z}/${x}_${y}`)
    this.#wanted = names.filter(name => !this.#kept.has(name) && !this.#failed.has(name))
    this.#fetch()
  }

  destroy() {
    this.#wanted = []
    this.changed = () => {}
    for (const { picture } of this.#kept.values()) picture?.close()
    this.#kept.clear()
  }

  #fetch() {
    while (this.#onTheWay.size < AT_ONCE) {
      const name = this.#wanted.find(each => !this.#onTheWay.has(each))
      if (!name) return
      this.#onTheWay.add(name)
      read(`${this.address}/${name}`)
        .then(sheet => this.#keep(name, sheet), () => this.#failed.add(name))
        .finally(() => {
          this.#onTheWay.delete(name)
          this.#wanted = this.#wanted.filter(each => each !== name)
          this.#fetch()
        })
    }
  }

  #keep(name, sheet) {
    this.#kept.set(name, sheet)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > KEPT) {
      this.#kept.get(oldest).picture?.close()
      this.#kept.delete(oldest)
    }
    this.changed()
  }
}

async function read(address) {
  const buffer = await fetchBuffer(address)
  const [count] = new Uint32Array(buffer, 0, 1)
  const ids = new Uint32Array(buffer, 4, count)
  const levels = new Uint8Array(buffer, 4 + 4 * count, count)
  const picture = count ? await createImageBitmap(new Blob([buffer.slice(4 + 5 * count)])) : null
  return { ids, levels, across: Math.ceil(Math.sqrt(count)), picture }
}
