import { expect, test } from 'vitest'
import { interleaved } from './export-run.js'

test('planes of colours become pixels', () => {
  const planes = Uint8Array.of(1, 2, 3, 4, 11, 12, 13, 14, 21, 22, 23, 24)
  expect([...interleaved(planes, 3)]).toEqual([1, 11, 21, 2, 12, 22, 3, 13, 23, 4, 14, 24])
  expect(interleaved(planes, 1)).toBe(planes)
})
