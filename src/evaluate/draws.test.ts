import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { randomStream } from '../random.js'
import { confirmedVote, refutedAtMost, vote } from './draws.js'

const point = new Float32Array(1)

/** Answers class after class, and counts how often it was asked. */
function answering(classes: (at: number) => number) {
  let asked = 0
  return {
    get asked() {
      return asked
    },
    scores: async () => {
      const label = classes(asked++)
      return Float32Array.from({ length: 4 }, (_, i) => (label < 0 ? Number.NaN : i === label ? 2 : 0))
    },
  }
}
const cycle = (classes: readonly number[]) => answering(at => classes[at % classes.length]!)

describe('a vote', () => {
  it.each([
    ['all right', [1, 1, 1, 1], 1, 0],
    ['half wrong: still right', [1, 1, 0, 2], 1, 2],
    ['most wrong: the most frequent other class', [1, 2, 2, 3], 2, 3],
    ['the label is the most frequent, yet most are wrong', [1, 1, 0, 2, 3, 3], 3, 4],
    ['equally frequent: the first class', [3, 2, 3, 2], 2, 4],
  ])('%s', async (_, answers, prediction, wrong) => {
    expect(await vote(cycle(answers), point, 1, answers.length)).toMatchObject({ prediction, wrong })
  })

  it('has the mean margin', async () => {
    expect((await vote(cycle([1, 1, 1, 0]), point, 1, 4)).margin).toBe(1)
  })

  it('one answer that is not finite spoils it', async () => {
    expect((await vote(cycle([2, 2, -1, 2]), point, 1, 4)).prediction).toBe(-1)
  })
})

describe('a confirmed vote', () => {
  it('asks a model without randomness once', async () => {
    const model = cycle([2])
    expect(await confirmedVote(model, point, 1, 1)).toMatchObject({ prediction: 2, wrong: 1 })
    expect(model.asked).toBe(1)
  })

  it('looks at few draws where most are right', async () => {
    const model = cycle([1, 1, 2])
    expect(await confirmedVote(model, point, 1, 100)).toMatchObject({ prediction: 1 })
    expect(model.asked).toBe(20)
  })

  it('takes the second answer of one that is wrong', async () => {
    const model = answering(at => (at < 2 ? 2 : 1))
    expect(await confirmedVote(model, point, 1, 10)).toMatchObject({ prediction: 1, wrong: 0 })
    expect(model.asked).toBe(12)
  })

  it('rarely takes luck for an adversarial example, however many points are tried', async () => {
    const random = randomStream(0, 0, 'luck')
    const model = answering(() => (random.uniform() < 0.35 ? 0 : 1))
    let [once, confirmed] = [0, 0]
    for (let i = 0; i < 2000; i++) {
      if ((await vote(model, point, 1, 20)).prediction !== 1) once++
      if ((await confirmedVote(model, point, 1, 100)).prediction !== 1) confirmed++
    }
    // P(Binomial(20, 0.35) > 10) = 0.053, P(Binomial(100, 0.35) > 50) = 0.0007
    expect(once).toBeGreaterThan(60)
    expect(confirmed).toBeLessThan(2)
  })
})

/** P(Binomial(n, 1/2) <= k) by Pascal's triangle. */
function below(n: number, k: number): number {
  let row = [1]
  for (let i = 0; i < n; i++) row = Array.from({ length: i + 2 }, (_, j) => ((row[j - 1] ?? 0) + (row[j] ?? 0)) / 2)
  return row.slice(0, k + 1).reduce((a, b) => a + b, 0)
}

describe('the test of a replay', () => {
  it('refutes as few as the level allows', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.double({ min: 1e-9, max: 0.2, noNaN: true }), (draws, alpha) => {
        const k = refutedAtMost(draws, alpha)
        if (k >= 0) expect(below(draws, k)).toBeLessThanOrEqual(alpha * 1.000001)
        expect(below(draws, k + 1)).toBeGreaterThan(alpha * 0.999999)
      }),
    )
  })

  it('200 draws at 1e-5', () => expect(refutedAtMost(200, 1e-5)).toBe(69))
})
