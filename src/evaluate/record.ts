/** What is kept of each sample: the verdict, how it came about, and the proof. One JSON line per sample. */

export interface SampleRecord {
  /** Position in the data set. */
  readonly index: number
  readonly label: number
  /** What the original model says of the clean sample. */
  readonly prediction: number
  /** What the surrogates say of the clean sample, in runs that have some. */
  readonly surrogatePrediction?: number | undefined
  /**
   * 'broken': an input inside the threat model is misclassified by the original file (the clean one, when `attack` is null).
   * 'robust': every attack failed. 'unknown': an answer was not finite, time ran out or workers were lost; see `error`.
   */
  readonly verdict: 'robust' | 'broken' | 'unknown'
  /** The attack that broke the sample. */
  readonly attack: string | null
  /** Distance of the adversarial example in the threat model's norm; 0 for a misclassified clean sample, null when not broken. */
  readonly distance: number | null
  /** Score of the label minus the largest other score on the original model, at the adversarial example, or at the clean sample. */
  readonly margin: number | null
  /** Of models that draw at random: how many of the run's draws were wrong at the adversarial example, or at the clean sample. */
  readonly wrongDraws?: number | undefined
  /** What the original model says of the adversarial example. */
  readonly adversarialPrediction: number | null
  /** In the order in which they ran. */
  readonly attempts: readonly Attempt[]
  /** The adversarial example: base64 of its little-endian float32 values, in the space of the data. */
  readonly adversarial: string | null
  readonly error: string | null
}

export interface Attempt {
  readonly attack: string
  readonly status: 'hit' | 'exhausted' | 'error'
  readonly queries: { readonly forward: number; readonly gradient: number }
  /** Gradient queries whose gradient was zero in every feature. */
  readonly zeroGradients: number
  /** Of an attack on surrogates: what they were asked, and whether they misclassify a point that the model was tried with. */
  readonly transfer?:
    | { readonly queries: { readonly forward: number; readonly gradient: number }; readonly fooledSurrogate: boolean }
    | undefined
  /** Distance of the misclassified point that the attack found, verified; beyond epsilon only for minimum-distance attacks. Null without one. */
  readonly distance: number | null
}

/** float32 values as base64, little-endian on every machine. */
export function encodeFloats(values: Float32Array): string {
  const bytes = new Uint8Array(values.length * 4)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < values.length; i++) view.setFloat32(4 * i, values[i], true)
  return bytesToBase64(bytes)
}

export function decodeFloats(text: string): Float32Array {
  const binary = atob(text)
  const view = new DataView(new ArrayBuffer(binary.length))
  for (let i = 0; i < binary.length; i++) view.setUint8(i, binary.charCodeAt(i))
  return Float32Array.from({ length: Math.floor(binary.length / 4) }, (_, i) => view.getFloat32(4 * i, true))
}

function bytesToBase64(bytes: Uint8Array): string {
  let binary = ''
  for (let i = 0; i < bytes.length; i += 8192) binary += String.fromCharCode(...bytes.subarray(i, i + 8192))
  return btoa(binary)
}
