import { expect, it } from 'vitest'
import { randomStream } from '../random.js'
import { norms } from '../threat/threat.js'
import { climb } from './adversary.js'
import type { StepSession } from './step-sessions.js'
import { measure } from './validate.js'

/** A model of known form: the first class scores `score(x)` of the first feature, the loss has this gradient everywhere. */
function closedForm(batch: number, gradient: Float32Array, score: (x: number) => number): StepSession {
  const features = gradient.length
  const adversarial = new Float32Array(batch * features)
  return {
    views: { adversarial },
    labels: new Float32Array(batch * 2),
    async run() {
      const logits = Float32Array.from({ length: batch * 2 }, (_, i) =>
        i % 2 === 0 ? score(adversarial[(i / 2) * features]!) : 0,
      )
      const gradients = [Float32Array.from(adversarial, (_, i) => gradient[i % features]!)]
      return { logits, losses: new Float32Array(batch), gradients }
    },
    [Symbol.asyncDispose]: async () => {},
  }
}

it('climbs to the corner of the region where the gradient is constant, and to the sphere in L2', async () => {
  const session = closedForm(2, Float32Array.of(3, -4, 0), () => 1)
  const clean = Float32Array.of(0.5, 0.5, 0.5, 0.9, 0.1, 0.5)
  const options = {
    steps: 10,
    stepSize: 0.1,
    clean,
    features: 3,
    random: (row: number) => randomStream(0, row, 'test'),
  }
  const threat = { epsilon: 0.2, epsilonText: '0.2', box: { low: 0, high: 1 } }
  const corner = await climb(session, { ...options, threat: { ...threat, norm: norms.Linf } })
  expect([corner[0], corner[1], corner[3], corner[4]]).toEqual([0.7, 0.3, 1, 0].map(x => expect.closeTo(x, 5)))
  const sphere = await climb(session, { ...options, steps: 200, threat: { ...threat, norm: norms.L2 } })
  expect([...sphere.subarray(0, 3)]).toEqual([0.62, 0.34, 0.5].map(x => expect.closeTo(x, 3)))
})

it('counts a sample as broken when any point on the way is misclassified', async () => {
  const session = closedForm(4, Float32Array.of(1), x => (x > 0.42 && x < 0.48 ? -1 : 1))
  const data = {
    inputs: Float32Array.of(0.2, 0.45, 0.5, 0.9, 0.2, 0.2),
    labels: Int32Array.of(0, 0, 0, 0, 0, 1),
    sampleShape: [1],
    classes: 2,
  }
  const measured = await measure(session, {
    data,
    indices: Uint32Array.from(data.labels, (_, i) => i),
    batch: 4,
    threat: { norm: norms.Linf, epsilon: 0.3, epsilonText: '0.3', box: { low: 0, high: 1 } },
    adversary: { steps: 30, stepSize: 0.025 },
    seed: 0,
  })
  // Wrong from the start: 0.45, and the last by its label. 0.2 passes the gap; 0.5 and 0.9 may start above it.
  expect(measured.clean).toBeCloseTo(4 / 6)
  expect(measured.robust).toBeLessThanOrEqual(2 / 6)
  expect(measured.robust).toBeGreaterThanOrEqual(1 / 6)
})
