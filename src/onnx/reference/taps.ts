/** Which input element each tap of a sliding window sees. */
import { type Shape, sizeOf, stridesOf } from '../../tensor/tensor.js'
import type { SlidingWindow } from '../window.js'

export interface Taps {
  /** Number of window positions. */
  readonly positions: number
  /** Number of taps of one window. */
  readonly size: number
  /** [positions, size]: flat spatial index of the input element, -1 in the padding, -2 beyond the padding (ceil_mode). */
  readonly index: Int32Array
}

/** Taps of `window` over `input`, for every position of `output` (spatial shapes only). */
export function tapsOf(window: SlidingWindow, input: Shape, output: Shape): Taps {
  const [positions, size] = [sizeOf(output), sizeOf(window.kernel)]
  const index = new Int32Array(positions * size)
  const inputStrides = stridesOf(input)
  for (let position = 0; position < positions; position++) {
    const at = coordinates(position, output)
    for (let tap = 0; tap < size; tap++) {
      const offset = coordinates(tap, window.kernel)
      let flat = 0
      input.forEach((dim, i) => {
        const x = at[i]! * window.strides[i]! + offset[i]! * window.dilations[i]! - window.begins[i]!
        if (x >= dim + window.ends[i]!) flat = -2
        else if ((x < 0 || x >= dim) && flat >= 0) flat = -1
        if (flat >= 0) flat += x * inputStrides[i]!
      })
      index[position * size + tap] = flat
    }
  }
  return { positions, size, index }
}

function coordinates(flat: number, shape: Shape): number[] {
  return stridesOf(shape).map((stride, i) => Math.floor(flat / stride) % shape[i]!)
}
