/**
 * The discrete Fourier transform as the matrix that it is, of real and imaginary parts side by side: DFT and STFT of the standard
 * are products with it. Source: the ONNX operator specification of DFT (opset 20) and STFT (opset 17).
 */
import { RobustlyError } from '../errors.js'
import type { Node } from './graph.js'
import type { AttributesOf } from './operators.js'

export interface Transform {
  /** Samples that go in; those from `length` on count for nothing. */
  readonly samples: number
  /** Numbers of a sample: 1 real, 2 complex. */
  readonly parts: number
  /** Period of the transform. */
  readonly length: number
  /** Frequencies that come out, two numbers each. */
  readonly bins: number
  readonly inverse: boolean
}

/** A matrix of more elements than this is not made: lengths come from the file. */
const mostElements = 2 ** 26

/** Throws `model-unsupported`, naming the node, for what the standard does not define and for transforms of too many samples. */
export function transformOf(
  node: Node,
  { onesided, inverse = 0 }: Pick<AttributesOf<'DFT'>, 'onesided'> & { readonly inverse?: number },
  { samples, parts, length }: Pick<Transform, 'samples' | 'parts' | 'length'>,
): Transform {
  const bins = onesided === 1 ? Math.floor(length / 2) + 1 : length
  const where = `node "${node.name}" (${node.op})`
  if (onesided === 1 && (inverse === 1 || parts === 2)) {
    throw new RobustlyError('model-unsupported', `${where}: one side of an inverse transform or of complex samples`)
  }
  if (!(length > 0 && samples * parts * bins * 2 <= mostElements)) {
    throw new RobustlyError(
      'model-unsupported',
      `${where}: ${samples} samples to ${bins} frequencies, expected a product of 1 to ${mostElements / (2 * parts)}`,
      { hint: 'Transform the samples before the model, or in shorter frames.' },
    )
  }
  return { samples, parts, length, bins, inverse: inverse === 1 }
}

/** M [samples · parts, bins · 2] with y = x M: e^(∓2πi k n / length), divided by the length when inverse. */
export function fourierMatrix({ samples, parts, length, bins, inverse }: Transform): Float64Array {
  const matrix = new Float64Array(samples * parts * bins * 2)
  const scale = inverse ? 1 / length : 1
  for (let n = 0; n < Math.min(samples, length); n++) {
    for (let k = 0; k < bins; k++) {
      const angle = ((inverse ? 2 : -2) * Math.PI * ((k * n) % length)) / length
      const [real, imaginary] = [scale * Math.cos(angle), scale * Math.sin(angle)]
      matrix.set([real, imaginary], (n * parts * bins + k) * 2)
      if (parts === 2) matrix.set([-imaginary, real], ((n * 2 + 1) * bins + k) * 2)
    }
  }
  return matrix
}

export interface Frames {
  readonly transform: Transform
  readonly count: number
}

/**
 * Frames of a signal [batch, time] or [batch, time, parts]. Throws `model-unsupported` for complex signals, of which ONNX Runtime
 * 1.30 does not give the transform.
 */
export function framesOf(
  node: Node,
  attributes: AttributesOf<'STFT'>,
  [, time, parts = 1]: readonly (number | undefined)[],
  { step, length }: { readonly step: number; readonly length: number },
): Frames {
  if (parts !== 1) throw new RobustlyError('model-unsupported', `node "${node.name}" (STFT): complex signals`)
  const transform = transformOf(node, attributes, { samples: length, parts, length })
  return { transform, count: Math.floor((time! - length) / step) + 1 }
}

/** The transform of a frame times its window, one kernel for each number that comes out: [bins · 2, samples]. */
export function frameKernels(transform: Transform, window: readonly number[] | undefined): Float64Array {
  const { samples, bins } = transform
  const matrix = fourierMatrix(transform)
  return matrix.map((_, at) => {
    const [out, n] = [Math.floor(at / samples), at % samples]
    return (window?.[n] ?? 1) * matrix[n * bins * 2 + out]!
  })
}
