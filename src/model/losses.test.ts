/** The losses' gradients, which are written down, against central differences of their values on the float64 reference. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { GraphBuilder } from '../onnx/build.js'
import { evaluate } from '../onnx/reference/evaluate.js'
import { float64, toNumbers } from '../tensor/tensor.js'
import { emitLoss, type LossName, lossNames } from './losses.js'

const classes = 5
/** Different, far apart beside the step of the differences, and in any order. */
const logits = fc.shuffledSubarray([-2.3, -1, 0.2, 1.1, 3.7], { minLength: classes, maxLength: classes })
const weights = fc.array(fc.integer({ min: -9, max: 9 }), { minLength: classes, maxLength: classes })

/** One row per name, each with its own loss; alone, the graph takes no selector. */
function lossesOf(names: readonly LossName[], label: number, direction: readonly number[]) {
  const b = new GraphBuilder('losses')
  const rows = names.length
  const shape = [rows, classes]
  const inputs = {
    logits: b.input('logits', 'float64', shape),
    label: b.input('label', 'float64', shape),
    direction: b.input('direction', 'float64', shape),
  }
  const selector = rows === 1 ? undefined : b.input('selector', 'float64', [rows, rows])
  const { loss, gradient } = emitLoss(b, names, inputs, selector)
  b.output(loss, 'loss')
  b.output(gradient, 'gradient')
  const graph = b.build()
  const labels = names.flatMap(name => direction.map((_, i) => (i === label && name !== 'linear' ? 1 : 0)))
  const feeds = new Map([
    ['label', float64(labels, shape)],
    ['direction', float64(Array<readonly number[]>(rows).fill(direction).flat(), shape)],
    [
      'selector',
      float64(
        names.flatMap((_, row) => names.map((_, i) => (i === row ? 1 : 0))),
        [rows, rows],
      ),
    ],
  ])
  if (selector === undefined) feeds.delete('selector')
  return (at: readonly number[]) => {
    const all = float64(Array<readonly number[]>(rows).fill(at).flat(), shape)
    const values = evaluate(graph, new Map([...feeds, ['logits', all]]))
    const gradients = toNumbers(values.get('gradient')!)
    return names.map((_, row) => ({
      loss: toNumbers(values.get('loss')!)[row]!,
      gradient: gradients.slice(row * classes, (row + 1) * classes),
    }))
  }
}

/** Expects the gradients at z to be the slopes of the losses there. */
function expectSlopes(names: readonly LossName[], z: readonly number[], label: number, direction: readonly number[]) {
  const run = lossesOf(names, label, direction)
  const h = 1e-5
  const steps = z.map((value, i) => [1, -1].map(sign => run(z.with(i, value + sign * h))))
  run(z).forEach(({ gradient }, row) => {
    const slopes = steps.map(([up, down]) => (up![row]!.loss - down![row]!.loss) / (2 * h))
    gradient.forEach((value, i) => {
      expect(value, `${names[row]}, class ${i}`).toBeCloseTo(slopes[i]!, 6)
    })
  })
}

test('gradients are the slopes of the losses, all in one batch and each alone', () => {
  fc.assert(
    fc.property(logits, fc.nat(classes - 1), fc.integer({ min: 1, max: classes - 1 }), weights, (z, label, step, c) => {
      const target = z.map((_, i) => (i === (label + step) % classes ? 1 : 0))
      expectSlopes(lossNames, z, label, target)
      for (const name of lossNames) expectSlopes([name], z, label, name === 'linear' ? c : target)
    }),
    { numRuns: 8 },
  )
})

test('cross-entropy has a slope where its probabilities vanish, and never falls on the way up', () => {
  const run = lossesOf(['cross-entropy', 'margin'], 1, [0, 0, 0, 0, 0])
  const [far, margin] = run([-3, 500, 20, 7, -1])
  expect(far).toEqual(margin)
  expect(far).toEqual({ loss: -480, gradient: [0, -1, 1, 0, 0] })
  const alone = lossesOf(['cross-entropy'], 1, [0, 0, 0, 0, 0])
  expect(alone([-3, 500, 20, 7, -1])[0]).toEqual(far)
  const rising = Array.from({ length: 60 }, (_, i) => alone([0, 120 - 2.5 * i, 0.5, -1, -2])[0]!.loss)
  for (let i = 1; i < rising.length; i++) expect(rising[i]).toBeGreaterThanOrEqual(rising[i - 1]!)
  expect(rising[0]).toBe(-119.5)
  // Where float32 still has probabilities, it is itself: zero, where the margin is -79.5.
  const { loss, gradient } = alone([0, 80, 0.5, -1, -2])[0]!
  expect(loss).toBeCloseTo(0, 30)
  expect(gradient[2]).toBeCloseTo(Math.exp(-79.5), 40)
})

test('the margin pulls equally at equal logits', () => {
  const { loss, gradient } = lossesOf(['margin'], 0, [0, 0, 0, 0, 0])([0, 3, 3, 1, -1])[0]!
  expect(loss).toBe(3)
  expect(gradient).toEqual([-1, 0.5, 0.5, 0, 0])
})
