import { expect, test } from 'vitest'
import { nextOf } from './queues.js'

const batch = 4
const queue = (name: string, ...rows: readonly [stage: number, since: number][]) => ({
  name,
  model: { batch },
  rows: rows.map(([stage, since]) => ({ lane: { stage }, since })),
})
const next = (queues: readonly ReturnType<typeof queue>[], batches: number, comes: boolean) =>
  nextOf(queues, { batches, comes }).name
const times = (count: number, stage: number, since = 0) =>
  Array.from({ length: count }, () => [stage, since] as [number, number])

test('a full batch goes first while samples come, searches that are behind once none come', () => {
  const queues = [queue('full', ...times(4, 2)), queue('behind', [1, 0])]
  expect(next(queues, 5, true)).toBe('full')
  expect(next(queues, 5, false)).toBe('behind')
})

test('of full batches the one that is behind goes first', () => {
  expect(next([queue('ahead', ...times(5, 2)), queue('behind', ...times(4, 1))], 5, true)).toBe('behind')
})

test('among equals the longest queue goes first', () => {
  const queues = [queue('short', ...times(1, 1)), queue('long', ...times(3, 1)), queue('empty')]
  expect(next(queues, 5, false)).toBe('long')
})

test('what has waited for more than 16 batches goes before all else', () => {
  const queues = [queue('full', ...times(4, 0, 20)), queue('old', [3, 3])]
  expect(next(queues, 19, true)).toBe('full')
  expect(next(queues, 20, true)).toBe('old')
})
