import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { asset } from '../../test/support/assets.js'
import { inspectModel } from './facts.js'

const own = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url))

describe('what a graph tells of its use', () => {
  it('counts multiply-adds, finds layout and range', async () => {
    // Two convolutions and two layers, by hand: output elements x terms.
    const cost = 14 * 14 * 16 * 16 + 7 * 7 * 32 * 16 * 16 + 7 * 7 * 32 * 64 + 64 * 10
    const found = await inspectModel(own('examples/models/mnist-cnn.onnx'))
    console.info(found.multiplyAdds, cost)
    expect(found).toMatchObject({ multiplyAdds: cost, layout: 'NCHW', quantised: false })
    expect(found.inputRange).toMatch(/not normalised/)
  })
  it('sees quantisation', async () => {
    expect(await inspectModel(own('test/exports/models/mnist-cnn-int8-qdq.onnx'))).toMatchObject({ quantised: true })
  })
  it.skipIf(asset('MANIFEST.md') === undefined).each([
    ['models/cifar10_resnet20_std.onnx', /^normalised in the graph/],
    ['models/mnist_cntk.onnx', /^not normalised/],
  ])('%s: range of values', async (file, range) => {
    expect((await inspectModel(asset(file)!)).inputRange).toMatch(range)
  })
})
