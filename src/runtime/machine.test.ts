import { expect, test } from 'vitest'
import { describeRuntime } from './doctor.js'
import { loadEngine } from './engine.js'
import { cpuQuota, thisMachine } from './machine.js'

test('reads processor quotas of containers', () => {
  expect(cpuQuota('150000 100000\n')).toBe(1.5)
  expect(cpuQuota('50000 100000')).toBe(0.5)
  for (const none of ['max 100000\n', '', 'x', undefined]) expect(cpuQuota(none)).toBeUndefined()
})

test('this machine has cores and memory', () => {
  const { cores, memoryBytes } = thisMachine()
  expect(Number.isInteger(cores) && cores >= 1).toBe(true)
  expect(memoryBytes).toBeGreaterThan(100e6)
  expect(Number.isSafeInteger(memoryBytes)).toBe(true)
})

test('describes the engine and the machine without saying whose it is', async () => {
  const description = describeRuntime(await loadEngine({ require: 'wasm' }))
  expect(description).toMatchObject({
    engine: { kind: 'wasm', provider: 'cpu', notice: undefined, onnxruntime: expect.stringMatching(/^\d+\.\d+\.\d+/) },
    node: process.versions.node,
    platform: process.platform,
  })
  expect(structuredClone(description)).toEqual(description)
  expect(JSON.stringify(description)).not.toMatch(/\/(home|root|work|Users)\b/)
})
