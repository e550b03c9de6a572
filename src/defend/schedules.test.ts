import fc from 'fast-check'
import { expect, it } from 'vitest'
import { makeSchedule, type ScheduleOptions } from './schedules.js'

const rows: readonly (readonly [ScheduleOptions, readonly (readonly [number, number])[]])[] = [
  [
    { schedule: 'constant' },
    [
      [0, 1],
      [0.9, 1],
    ],
  ],
  [
    { schedule: 'step', at: [0.5, 0.75] },
    [
      [0, 1],
      [0.49, 1],
      [0.5, 0.1],
      [0.75, 0.01],
    ],
  ],
  [{ schedule: 'step', at: [0.5], factor: 0.5 }, [[0.6, 0.5]]],
  [
    { schedule: 'cosine' },
    [
      [0, 1],
      [0.5, 0.5],
      [1, 0],
    ],
  ],
  [
    { schedule: 'cosine', warmUp: 0.2 },
    [
      [0, 0],
      [0.1, 0.5],
      [0.2, 1],
      [0.6, 0.5],
      [1, 0],
    ],
  ],
  [
    { schedule: 'one-cycle' },
    [
      [0, 0],
      [0.15, 0.5],
      [0.3, 1],
      [0.65, 0.5],
      [1, 0],
    ],
  ],
  [
    { schedule: 'one-cycle', peak: 0.5 },
    [
      [0.25, 0.5],
      [0.5, 1],
      [0.75, 0.5],
    ],
  ],
]

it.each(rows)('%j', (options, points) => {
  const schedule = makeSchedule(options)
  for (const [progress, factor] of points) expect(schedule(progress)).toBeCloseTo(factor, 10)
})

it('never leaves 0 … 1', () => {
  fc.assert(
    fc.property(fc.constantFrom(...rows), fc.double({ min: 0, max: 1, noNaN: true }), ([options], progress) => {
      const factor = makeSchedule(options)(progress)
      expect(factor).toBeGreaterThanOrEqual(0)
      expect(factor).toBeLessThanOrEqual(1)
    }),
  )
})
