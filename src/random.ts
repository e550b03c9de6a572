/**
 * Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2,
 * 3", SC 2011). A stream is a pure function of its key, so a result depends on neither batch, order nor machine.
 */

export interface Random {
  /** Uniform in 0 … 2³² - 1. */
  uint32(): number
  /** Uniform in [0, 1), with 32 random bits. */
  uniform(): number
  /** Standard normal (Box and Muller). */
  normal(): number
  /** Fills an array with standard normal numbers, several times as fast (other ones than `normal` would draw). */
  normals(out: Float32Array | Float64Array): void
  /** Uniform integer in 0 … count - 1, without bias. */
  integer(count: number): number
}

/**
 * The stream keyed by (seed, sample, purpose, index). Streams of different keys are independent.
 * @param seed integer in 0 … 2⁵³ - 1
 * @param sample integer in 0 … 2³² - 1, as is `index`
 * @param purpose who draws: an attack's name, 'train', …
 */
export function randomStream(seed: number, sample: number, purpose: string, index = 0): Random {
  const key0 = seed >>> 0
  const key1 = Math.floor(seed / 2 ** 32) >>> 0
  const block = new Uint32Array(4)
  const name = fnv1a(purpose)
  let counter = 0
  let left = 0
  let spare: number | undefined

  function uint32(): number {
    if (left === 0) {
      philox(block, counter++, sample, name, index, key0, key1)
      left = 4
    }
    return block[4 - left--]
  }
  function uniform(): number {
    return uint32() / 2 ** 32
  }
  function normal(): number {
    if (spare !== undefined) {
      const value = spare
      spare = undefined
      return value
    }
    const radius = Math.sqrt(-2 * Math.log((uint32() + 1) / 2 ** 32))
    const angle = 2 * Math.PI * uniform()
    spare = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }
  function normals(out: Float32Array | Float64Array): void {
    for (let i = 0; i < out.length; i++) {
      const bits = uint32()
      const layer = bits & (layers - 1)
      // 25 bits, none of them the layer's, as a number in (-1, 1).
      const share = ((bits >> 7) + 0.5) / 2 ** 24
      out[i] = Math.abs(share) < inner[layer] ? share * edges[layer] : outside(layer, share, uniform)
    }
  }
  function integer(count: number): number {
    // 2³² less what is left of it over a multiple of the count, in 32-bit integers where they suffice.
    const limit = 2 ** 32 - ((-count >>> 0) % count)
    let value = uint32()
    while (value >= limit) value = uint32()
    return value % count
  }
  return { uint32, uniform, normal, normals, integer }
}

/**
 * The ziggurat: layers of equal area under the normal density, all but the ends of which lie inside it (Marsaglia and Tsang 2000, in the
 * form of Doornik, "An improved ziggurat method to generate normal random samples", 2005). Layer i reaches to edges[i]; the lowest one
 * is the tail beyond edges[1] with a rectangle beside it.
 */
const layers = 128
const tailStart = 3.442619855899
const layerArea = 9.91256303526217e-3
const edges = new Float64Array(layers + 1)
edges[0] = layerArea / Math.exp(-0.5 * tailStart ** 2)
edges[1] = tailStart
for (let i = 2; i < layers; i++) {
  edges[i] = Math.sqrt(-2 * Math.log(layerArea / edges[i - 1] + Math.exp(-0.5 * edges[i - 1] ** 2)))
}
/** Share of each layer that lies under the density at all heights. */
const inner = Float64Array.from({ length: layers }, (_, i) => edges[i + 1] / edges[i])

/** A number for a draw that the inner part of its layer does not decide. */
function outside(layer: number, share: number, uniform: () => number): number {
  for (;;) {
    if (layer === 0) {
      for (;;) {
        const beyond = -Math.log(1 - uniform()) / tailStart
        if (-2 * Math.log(1 - uniform()) >= beyond * beyond) {
          return share < 0 ? -tailStart - beyond : tailStart + beyond
        }
      }
    }
    const x = share * edges[layer]
    const low = Math.exp(-0.5 * (edges[layer] ** 2 - x * x))
    const high = Math.exp(-0.5 * (edges[layer + 1] ** 2 - x * x))
    if (high + uniform() * (low - high) < 1) return x
    layer = Math.floor(uniform() * layers)
    share = 2 * uniform() - 1
    if (Math.abs(share) < inner[layer]) return share * edges[layer]
  }
}

/** Writes the block of the 128-bit counter (c0 … c3) under the 64-bit key (k0, k1). Ten rounds. */
export function philox(out: Uint32Array, c0: number, c1: number, c2: number, c3: number, k0: number, k1: number): void {
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0)
    const low0 = Math.imul(0xd2511f53, c0)
    const high1 = multiplyHigh(0xcd9e8d57, c2)
    const low1 = Math.imul(0xcd9e8d57, c2)
    c0 = high1 ^ c1 ^ k0
    c1 = low1
    c2 = high0 ^ c3 ^ k1
    c3 = low0
    k0 = (k0 + 0x9e3779b9) | 0
    k1 = (k1 + 0xbb67ae85) | 0
  }
  out[0] = c0
  out[1] = c1
  out[2] = c2
  out[3] = c3
}

/** Upper 32 bits of the product of two unsigned 32-bit numbers, in 32-bit integer arithmetic: no sum of the parts overflows. */
function multiplyHigh(a: number, b: number): number {
  const a0 = a & 0xffff
  const a1 = a >>> 16
  const b0 = b & 0xffff
  const b1 = b >>> 16
  const middle = Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16)
  const cross = Math.imul(a0, b1) + (middle & 0xffff)
  return (Math.imul(a1, b1) + (middle >>> 16) + (cross >>> 16)) | 0
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
