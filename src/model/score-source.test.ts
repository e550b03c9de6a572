/** What attacks without gradients see of a model that can only be asked. */
import { expect, test } from 'vitest'
import { areProbabilities, queryModel, type ScoreSource } from './score-source.js'

/** Answers what `answer` says of each sample of two features, and remembers the samples of each call. */
function sourceOf(answer: (a: number, b: number) => readonly number[], more: Partial<ScoreSource> = {}) {
  const calls: number[][] = []
  const source: ScoreSource = {
    classes: 2,
    runtimeSeconds: 0,
    async scores(samples) {
      calls.push([...samples])
      const rows = Array.from({ length: samples.length / 2 }, (_, row) =>
        answer(samples[2 * row], samples[2 * row + 1]),
      )
      return Float32Array.from(rows.flat())
    },
    [Symbol.asyncDispose]: async () => {},
    ...more,
  }
  return { source, calls }
}
const sample = { sampleShape: [2], batch: 3 }
const softmax = (a: number, b: number) => [1 / (1 + Math.exp(b - a)), 1 / (1 + Math.exp(a - b))]

test('logits come as they are', async () => {
  const { source } = sourceOf((a, b) => [a - 1, b])
  const model = await queryModel(source, sample)
  model.inputs.set([5, 2, -1, 3, 0, 0])
  expect([...(await model.scores())]).toEqual([4, 2, -2, 3, -1, 0])
})

test('probabilities come as logarithms: the difference of two is that of their logits, and zero is finite', async () => {
  const { source } = sourceOf(softmax)
  const model = await queryModel(source, sample)
  model.inputs.set([3, 1, 0, 200])
  const [a, b, c, d] = await model.scores(2)
  expect(a - b).toBeCloseTo(2, 5)
  expect([c, d]).toEqual([Math.fround(Math.log(2 ** -149)), 0])
})

test('what is said of the answers goes before what they look like', async () => {
  const said = await queryModel(sourceOf(() => [0.5, 0.25], { answers: 'probabilities' }).source, sample)
  expect([...(await said.scores(1))].slice(0, 2)).toEqual([0.5, 0.25].map(Math.log).map(Math.fround))
  const { source, calls } = sourceOf(() => [1, 0], { answers: 'labels' })
  const labels = await queryModel(source, sample)
  expect(calls).toEqual([]) // nothing is spent on looking
  expect([...(await labels.scores(1))].slice(0, 2)).toEqual([1, 0])
})

test('a row never goes alone, unless nothing else is possible', async () => {
  const asked = async (more: Partial<ScoreSource>, batch = 3) => {
    const { source, calls } = sourceOf((a, b) => [a, b], { answers: 'labels', ...more })
    const model = await queryModel(source, { ...sample, batch })
    model.inputs.set([7, 8])
    await model.scores(1)
    return calls[0]
  }
  expect(await asked({})).toEqual([7, 8, 7, 8])
  expect(await asked({ rowsAtOnce: 8 })).toEqual([7, 8, 7, 8])
  expect(await asked({ rowsAtOnce: 1 })).toEqual([7, 8])
  expect(await asked({}, 1)).toEqual([7, 8])
})

test('gradients are refused', async () => {
  const model = await queryModel(sourceOf((a, b) => [a, b]).source, sample)
  await expect(model.gradients([])).rejects.toThrow('no gradients')
})

test('probabilities are told from logits', () => {
  expect(areProbabilities(Float32Array.of(0.9, 0.1))).toBe(true)
  expect(areProbabilities(Float32Array.of(0.9, 0.2))).toBe(false)
  expect(areProbabilities(Float32Array.of(1.5, -0.5))).toBe(false)
})
