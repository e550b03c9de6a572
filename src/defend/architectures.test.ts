import { expect, it } from 'vitest'
import { encodeModel } from '../onnx/codec/index.js'
import { randomStream } from '../random.js'
import { loadEngine } from '../runtime/engine.js'
import { float32, type Shape, sizeOf } from '../tensor/tensor.js'
import { type Architecture, buildArchitecture } from './architectures.js'

const cnn = (channels: readonly number[]): Architecture => ({ architecture: 'cnn', channels, dense: [5] })
const mlp = (dense: readonly number[]): Architecture => ({ architecture: 'mlp', dense })

const built: readonly (readonly [Architecture, Shape, number])[] = [
  // Each layer's weights and biases: 4x4 kernels, then 3x2x2 features.
  [cnn([2, 3]), [1, 8, 8], 2 * 16 + 2 + 3 * 2 * 16 + 3 + 12 * 5 + 5 + 5 * 4 + 4],
  [cnn([2]), [3, 5, 7], 2 * 3 * 16 + 2 + 2 * 2 * 3 * 5 + 5 + 5 * 4 + 4],
  [mlp([]), [6], 6 * 4 + 4],
  [mlp([5, 3]), [1, 2, 3], 6 * 5 + 5 + 5 * 3 + 3 + 3 * 4 + 4],
]

it.each(built)(
  '%j on samples of [%j] runs in any batch, with the weights counted by hand',
  async (made, shape, count) => {
    const graph = buildArchitecture(made, shape, 4, randomStream(0, 0, 'test'))
    const sizes = [...graph.initializers.values()].map(constant => sizeOf(constant.shape))
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(count)
    const engine = await loadEngine()
    await using session = await engine.createSession({ bytes: encodeModel(graph) }, { threads: 1 })
    for (const rows of [1, 3]) {
      const input = float32(new Float32Array(rows * sizeOf(shape)).fill(0.5), [rows, ...shape])
      expect((await session.run(new Map([['input', input]]))).get('logits')!.shape).toEqual([rows, 4])
    }
  },
)

const refused: readonly (readonly [Architecture, Shape, string])[] = [
  [cnn([4]), [784], 'needs images of at least 2x2, the samples have shape [784]'],
  [cnn([4, 4, 4]), [1, 7, 9], 'needs images of at least 8x8'],
  [cnn([0]), [1, 8, 8], 'a layer cannot be 0 wide'],
  [mlp([1.5]), [4], 'a layer cannot be 1.5 wide'],
]

it.each(refused)('refuses %j on samples of [%j]', (wanted, shape, message) => {
  expect(() => buildArchitecture(wanted, shape, 4, randomStream(0, 0, 'test'))).toThrow(message)
})
