/** Models with several inputs: the compiled graph, the file itself and the reference evaluator say the same of every row. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { severalInputs, withOpenBatch } from '../../test/support/several-inputs.js'
import { openVerifier } from '../evaluate/verify.js'
import { encodeModel } from '../onnx/codec/index.js'
import type { Graph } from '../onnx/graph.js'
import { evaluate } from '../onnx/reference/evaluate.js'
import { randomStream } from '../random.js'
import { loadEngine } from '../runtime/engine.js'
import { readModelFile } from '../runtime/files.js'
import { bool, float32, int64, type Tensor, toNumbers } from '../tensor/tensor.js'
import { compile, prepareModel } from './compile.js'
import type { DataSpace } from './data-space.js'
import { modelInputs } from './inputs.js'

const parts = [
  { input: 'ids', shape: [2] },
  { input: 'mask', shape: [4] },
  { input: 'context', shape: [1] },
]
const rows = 5
const random = randomStream(3, 0, 'several inputs')
const images = Float32Array.from({ length: rows * 16 }, () => random.uniform())
/** Of each row: two ids below 6, a mask of four, and a number. */
const values = Float32Array.from({ length: rows }, (_, row) => row).reduce<number[]>(
  (all, row) => all.concat([row, 5 - row, 1, row % 2, 1 - (row % 2), 1, row / 4]),
  [],
)
const bound = Float32Array.from(values)
const space: DataSpace = {
  sampleShape: [1, 4, 4],
  dataLayout: 'CHW',
  modelLayout: undefined,
  mean: [0.5],
  std: [0.25],
  bound: { parts, example: bound.slice(0, 7), last: bound.slice(-7) },
}

/** Scores [rows, 3] of the reference evaluator on the graph for one sample, and the slope of a score along a direction. */
function reference(graph: Graph, row: number, image: Float32Array): number[] {
  const own = values.slice(row * 7, row * 7 + 7)
  const normal = image.map(value => (value - 0.5) / 0.25)
  const feeds = new Map<string, Tensor>([
    ['image', float32(normal, [1, 1, 4, 4])],
    ['ids', int64(own.slice(0, 2), [1, 2])],
    [
      'mask',
      bool(
        own.slice(2, 6).map(value => value === 1),
        [1, 4],
      ),
    ],
    ['context', float32([own[6]!], [1])],
  ])
  return toNumbers(evaluate(graph, feeds).get('logits')!)
}

it.each([
  { batch: 'fixed', change: (graph: Graph) => graph },
  { batch: 'open', change: withOpenBatch },
])('gradients flow to the attacked one only; batch $batch in the file', async ({ change }) => {
  const graph = severalInputs()
  const folder = mkdtempSync(join(tmpdir(), 'robustly-inputs-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'several.onnx')
  writeFileSync(path, encodeModel(change(graph)))
  const engine = await loadEngine()
  const file = await readModelFile(path)
  const prepared = prepareModel(file, space)
  expect(prepared.fixed?.needed ?? false).toBe(false)
  await using model = await compile(prepared, engine, { batch: rows, threads: 1, losses: ['linear'] })
  await using verifier = await openVerifier(engine, file, space, { threads: 1, rows: 4 })
  expect(model).toMatchObject({ features: 16, classes: 3 })
  expect(model.bound).toHaveLength(rows * 7)
  model.inputs.set(images)
  model.bound!.set(bound)
  const weights = Float32Array.of(1, -2, 0.5)
  const { logits, gradients } = await model.gradients(
    Array.from({ length: rows }, () => ({ loss: 'linear', label: 0, weights }) as const),
  )
  const said = await verifier.scores(images, bound)
  const apart = (a: ArrayLike<number>, b: ArrayLike<number>) =>
    Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0)
  expect(gradients).toHaveLength(rows * 16)
  for (let row = 0; row < rows; row++) {
    const image = images.slice(row * 16, row * 16 + 16)
    const expected = reference(graph, row, image)
    expect(apart(logits.subarray(row * 3, row * 3 + 3), expected)).toBeLessThan(1e-4)
    expect(apart(said.subarray(row * 3, row * 3 + 3), expected)).toBeLessThan(1e-4)
    const loss = (point: Float32Array) =>
      reference(graph, row, point).reduce((sum, score, i) => sum + score * weights[i]!, 0)
    for (const at of [0, 7, 15]) {
      const [after, before] = [1e-3, -1e-3].map(h => loss(image.map((value, i) => (i === at ? value + h : value))))
      expect(gradients[row * 16 + at]).toBeCloseTo((after! - before!) / 2e-3, 2)
    }
  }
  // What stands in where nothing is said: the first sample's.
  const alone = await verifier.scores(images.subarray(16, 32))
  expect(apart(alone, await verifier.scores(images.subarray(16, 32), bound.subarray(0, 7)))).toBe(0)
  expect(apart(alone, said.subarray(3, 6))).toBeGreaterThan(0.01)
})

it('names the inputs and what to say where data do not fit them', () => {
  const { inputs } = severalInputs()
  const none = { example: new Float32Array(), last: new Float32Array() }
  const refused = (bind: readonly string[]) => () =>
    modelInputs({ inputs }, { bound: { parts: bind.map(input => ({ input, shape: [1] })), ...none } })
  expect(refused([])).toThrow(
    /4 inputs \("image" float32 \[1, 1, 4, 4\], "ids" int64 \[1, 2\], "mask" bool \[1, 4\], "context" float32 \[1\]\): one is attacked/,
  )
  expect(refused(['ids', 'context'])).toThrow(
    expect.objectContaining({ hint: expect.stringContaining('bind=mask=NAME') }),
  )
  expect(refused(['image', 'ids', 'mask', 'context'])).toThrow(/none is left to attack/)
  expect(refused(['idx'])).toThrow(/bind the input "idx", the model has "image"/)
  expect(refused(['ids', 'mask', 'context'])).toThrow(
    /the model's input "ids" has shape \[batch, 2\], what is bound to it has shape \[1\]/,
  )
  const scalar = { name: 'context', dtype: 'float32', shape: [] } as const
  expect(() =>
    modelInputs({ inputs: [inputs[0]!, scalar] }, { bound: { parts: [{ input: 'context', shape: [] }], ...none } }),
  ).toThrow(/no batch dimension/)
})
