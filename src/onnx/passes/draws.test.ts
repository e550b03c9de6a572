/** Models that draw at random, on ONNX Runtime: gradients through what was drawn, and a draw for every row. */
import { describe, expect, it } from 'vitest'
import { compileGraph, flatSpace } from '../../../test/support/models.js'
import { attackGraph, prepareModel, specialise } from '../../model/compile.js'
import { loadEngine } from '../../runtime/engine.js'
import { bool, float32 } from '../../tensor/tensor.js'
import { GraphBuilder, type Value } from '../build.js'
import { encodeModel } from '../codec/index.js'
import type { Graph } from '../graph.js'
import { randomNodes } from './draws.js'

const features = 50
const space = flatSpace(features)

/** Scores [x·1, noise…] of a flat input with something random done to it. */
function noisy(change: (b: GraphBuilder, x: Value) => Value): Graph {
  const b = new GraphBuilder('noisy')
  const x = b.input('x', 'float32', [1, features])
  b.output(change(b, x), 'logits')
  return b.build()
}

const type = (value: Value) => [{ dtype: 'float32', shape: value.shape }] as const
const normal = (b: GraphBuilder, x: Value) => b.add(x, b.emit('RandomNormalLike', [x], { scale: 0.5 }, type(x))[0]!)
const plain = (b: GraphBuilder, x: Value) =>
  b.add(x, b.mul(b.emit('RandomNormal', [], { shape: [1, features] }, type(x))[0]!, b.scalar(0.5, 'float32')))
const dropout = (b: GraphBuilder, x: Value) =>
  b.emit('Dropout', [x, b.constant(float32([0.25], [])), b.constant(bool([1], []))], {}, type(x))[0]!

describe.each([
  ['RandomNormalLike', normal],
  ['RandomNormal of one sample', plain],
  ['Dropout in training mode', dropout],
] as const)('%s', (_, change) => {
  it('is found in the file', () => {
    expect(randomNodes(noisy(change))).toHaveLength(1)
  })

  it('draws anew for every row and every call', async () => {
    await using model = await compileGraph(noisy(change), features, 4, [])
    model.inputs.fill(1)
    const rows = [...(await model.scores()), ...(await model.scores())]
    const texts = Array.from({ length: 8 }, (_, row) => rows.slice(row * features, (row + 1) * features).join())
    expect(new Set(texts).size).toBe(8)
  })
})

it('a Dropout that ONNX Runtime removes drops nothing, and is said to', async () => {
  const graph = noisy((b, x) => b.relu(dropout(b, b.relu(x))))
  expect(randomNodes(graph)).toEqual([])
  const prepared = prepareModel({ graph, functions: [] }, space)
  expect(prepared.notes.join()).toContain('drops nothing')
  await using model = await compileGraph(graph, features, 2, ['linear'])
  model.inputs.fill(3)
  expect(new Set(await model.scores())).toEqual(new Set([3]))
  // What the file itself does in a session of its own.
  const session = await (await loadEngine()).createSession({ bytes: encodeModel(graph) }, { threads: 1 })
  const { data } = (
    await session.run(new Map([['x', float32(new Float32Array(features).fill(3), [1, features])]]))
  ).get('logits')!
  expect(new Set(data as Float32Array)).toEqual(new Set([3]))
  await session.release()
})

it('a Dropout at inference, or with its training mode off, draws nothing', () => {
  expect(randomNodes(noisy((b, x) => b.emit('Dropout', [x], {}, type(x))[0]!))).toEqual([])
  const off = noisy((b, x) => b.emit('Dropout', [x, undefined, b.constant(bool([0], []))], {}, type(x))[0]!)
  expect(randomNodes(off)).toEqual([])
})

it('the gradient through a Dropout is that of what it kept', async () => {
  const engine = await loadEngine()
  const prepared = prepareModel({ graph: noisy(dropout), functions: [] }, space)
  expect(attackGraph(await specialise(prepared, engine, 2), ['linear']).outputs).toHaveLength(3)
  await using model = await compileGraph(noisy(dropout), features, 2, ['linear'])
  model.inputs.fill(3)
  const weights = Float32Array.from({ length: features }, (_, i) => i + 1)
  const { logits, gradients } = await model.gradients([
    { loss: 'linear', weights },
    { loss: 'linear', weights },
  ])
  let kept = 0
  logits.forEach((value, i) => {
    expect(value === 0 || Math.abs(value - 4) < 1e-5).toBe(true)
    if (value !== 0) kept++
    expect(gradients[i]).toBeCloseTo(value === 0 ? 0 : (weights[i % features]! * 4) / 3, 4)
  })
  expect(kept).toBeGreaterThan(50)
  expect(kept).toBeLessThan(95)
})
