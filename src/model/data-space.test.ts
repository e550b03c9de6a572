import { describe, expect, it } from 'vitest'
import { imageSpace, linearGraph } from '../../test/support/models.js'
import { GraphBuilder } from '../onnx/build.js'
import { loadEngine } from '../runtime/engine.js'
import { sizeOf } from '../tensor/tensor.js'
import { compile, prepareModel } from './compile.js'
import { applyInputPlan, planInput } from './data-space.js'

const plain = imageSpace(3, 2, 4)
const normal = { mean: [0.1, 0.2, 0.3], std: [0.5, 0.6, 0.7] }

/** A model that gives its input back, flattened. */
function echo(shape: readonly number[]) {
  const b = new GraphBuilder('echo')
  b.output(b.reshape(b.input('x', 'float32', [1, ...shape]), [1, sizeOf(shape)]), 'scores')
  return { graph: b.build(), functions: [] }
}

function linear() {
  return { graph: linearGraph([[1, 2, 3, 4], [4, 3, 2, 1]], [0, 0]), functions: [] } // biome-ignore format: one row of weights each
}

describe('a sample on its way into the model', () => {
  it.each([
    { space: { ...plain, scale: 255 }, shape: [3, 2, 4] },
    { space: { ...plain, ...normal, scale: 2 }, shape: [3, 2, 4] },
    { space: { ...plain, ...normal, channels: 'bgr' as const }, shape: [3, 2, 4] },
    { space: { ...plain, ...normal, channels: 'bgr' as const, modelLayout: 'NHWC' as const }, shape: [2, 4, 3] },
    {
      space: {
        ...plain,
        sampleShape: [2, 4, 3],
        dataLayout: 'HWC' as const,
        channels: 'bgr' as const,
        modelLayout: 'NCHW' as const,
      },
      shape: [3, 2, 4],
    },
  ])('is the same in the graph and in arithmetic: $space', async ({ space, shape }) => {
    const { graph, functions } = echo(shape)
    const sample = Float32Array.from({ length: 24 }, (_, i) => i / 24)
    const expected = applyInputPlan(planInput(space, graph.inputs[0]), sample)
    await using model = await compile(prepareModel({ graph, functions }, space), await loadEngine(), {
      batch: 2,
      threads: 1,
      losses: ['linear'],
    })
    model.inputs.set(sample, 24)
    const weights = Float32Array.from({ length: 24 }, (_, i) => (i === 0 ? 1 : 0))
    const { logits, gradients } = await model.gradients(
      [0, 1].map(() => ({ loss: 'linear', label: 0, weights }) as const),
    )
    expect([...logits.subarray(24)]).toEqual(Array.from(expected, value => expect.closeTo(value, 4)))
    // The gradient of the model's first value arrives at the feature that it came from.
    const from = gradients.subarray(24).findIndex(slope => slope !== 0)
    const moved = sample.slice()
    moved[from] += 0.01
    expect(applyInputPlan(planInput(space, graph.inputs[0]), moved)[0]).not.toBe(expected[0])
  })

  it('gives dimensions that the model leaves open their size', async () => {
    const { graph, functions } = linear()
    const open = { ...graph, inputs: [{ ...graph.inputs[0], shape: [1, 'width'] }] }
    const space = { ...plain, sampleShape: [4], dataLayout: undefined }
    const options = { batch: 3, threads: 1, losses: [] }
    await using model = await compile(prepareModel({ graph: open, functions }, space), await loadEngine(), options)
    expect(model).toMatchObject({ features: 4, classes: 2 })
  })

  it('has blue first where the model takes bgr', () => {
    const space = { ...plain, sampleShape: [3, 1, 1], channels: 'bgr' as const, scale: 10 }
    const plan = planInput(space, { name: 'x', dtype: 'float32', shape: [1, 3, 1, 1] })
    expect([...applyInputPlan(plan, Float32Array.of(1, 2, 3))]).toEqual([30, 20, 10])
  })

  it.each([
    [{}, [2, 4, 3], /the samples have shape \[3,2,4\]$/, 'add --layout NHWC.'],
    [{ modelLayout: 'NHWC' as const }, [3, 2, 4], /\[3,2,4\], as NHWC \[2,4,3\]$/, 'add --layout NCHW.'],
    [{ sampleShape: [2, 4, 3], dataLayout: 'HWC' as const }, [3, 2, 4], /shape \[2,4,3\]$/, 'add --layout NCHW.'],
    [{}, [4, 2, 3], /shape \[3,2,4\]$/, 'Give the data in the shape of the model.'],
    [{ sampleShape: [5], dataLayout: undefined }, [4], /shape \[5\]$/, 'columns out with :drop=NAME'],
    [{ sampleShape: [3], dataLayout: undefined }, [4], /shape \[3\]$/, 'Give the data in the shape of the model.'],
  ])('says what mends another shape: %j', (changes, shape, message, hint) => {
    const plan = () => planInput({ ...plain, ...changes }, { name: 'x', dtype: 'float32', shape: [1, ...shape] })
    expect(plan).toThrow(message)
    expect(plan).toThrow(expect.objectContaining({ hint: expect.stringContaining(hint) }))
  })

  it.each([
    [{ scale: 0 }, /scale is 0/],
    [{ scale: Number.NaN }, /scale is NaN/],
    [{ sampleShape: [1, 2, 4], channels: 'bgr' as const }, /three colours/],
    [{ dataLayout: undefined, channels: 'bgr' as const }, /three colours/],
  ])('refuses %j', (changes, message) => {
    expect(() => planInput({ ...plain, ...changes }, { name: 'x', dtype: 'float32', shape: undefined })).toThrow(
      message,
    )
  })
})
