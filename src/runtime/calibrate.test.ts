import fc from 'fast-check'
import { expect, test } from 'vitest'
import { calibrate, type Plan, secondsPerRun } from './calibrate.js'

const machine = { cores: 4, memoryBytes: 16e9 }
const small = { bytesPerProcess: 200e6 }

/** A machine on which a sample costs what `cost` says and a measurement takes three runs. */
function simulated(cost: (plan: Plan) => number) {
  let now = 1000
  const measured: Plan[] = []
  return {
    measured,
    clock: () => now,
    measure: async (plan: Plan) => {
      measured.push(plan)
      const seconds = cost(plan)
      now += 3 * seconds * plan.batch
      return seconds
    },
    elapsed: () => now - 1000,
  }
}

test('takes the batch that is fastest per sample, one thread per process, one process per core', async () => {
  const costs = new Map([
    [8, 50e-6],
    [16, 40e-6],
    [32, 30e-6],
    [64, 35e-6],
    [128, 60e-6],
  ])
  const sim = simulated(({ batch }) => costs.get(batch)!)
  const result = await calibrate(sim.measure, machine, small, { clock: sim.clock })
  expect(result).toMatchObject({ batch: 32, threads: 1, processes: 4, limitedBy: undefined })
  expect(result.table.map(row => row.batch)).toEqual([8, 16, 32, 64]) // 128 had no chance left
  expect(sim.measured.every(plan => plan.threads === 1)).toBe(true)
})

test('prefers the smaller batch within 3 %', async () => {
  const flat = simulated(({ batch }) => 30e-6 * (batch === 8 ? 1.029 : 1))
  expect(await calibrate(flat.measure, machine, small, { clock: flat.clock })).toMatchObject({ batch: 8 })
  const steeper = simulated(({ batch }) => 30e-6 * (batch === 8 ? 1.04 : 1))
  expect(await calibrate(steeper.measure, machine, small, { clock: steeper.clock })).toMatchObject({ batch: 16 })
})

test('memory forbids processes; the cores become threads', async () => {
  const decide = async (memoryBytes: number) => {
    const sim = simulated(() => 1e-3)
    return calibrate(sim.measure, { cores: 8, memoryBytes }, { bytesPerProcess: 1e9 }, { clock: sim.clock })
  }
  expect(await decide(64e9)).toMatchObject({ processes: 8, threads: 1, limitedBy: undefined })
  expect(await decide(4e9)).toMatchObject({ processes: 3, threads: 2, limitedBy: 'memory' })
  expect(await decide(0.1e9)).toMatchObject({ processes: 1, threads: 8, limitedBy: 'memory' })
})

test('stays within the budget unless the smallest batch alone exceeds it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.double({ min: 1e-6, max: 1, noNaN: true }), async seconds => {
      const sim = simulated(() => seconds)
      const result = await calibrate(sim.measure, machine, small, { clock: sim.clock, budgetSeconds: 1.5 })
      expect(result.table.length).toBeGreaterThan(0)
      expect(sim.elapsed()).toBeLessThanOrEqual(Math.max(1.5, 3 * 8 * seconds) + 1e-9)
    }),
  )
})

test('the choice was measured, and nothing measured beats it by more than 3 %', async () => {
  const costs = fc.array(fc.double({ min: 1e-6, max: 1e-4, noNaN: true }), { minLength: 5, maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(costs, fc.integer({ min: 1, max: 64 }), async (cost, cores) => {
      const sim = simulated(({ batch }) => cost[Math.log2(batch) - 3]!)
      const result = await calibrate(sim.measure, { ...machine, cores }, small, { clock: sim.clock })
      const chosen = result.table.find(row => row.batch === result.batch)!
      for (const row of result.table)
        expect(chosen.secondsPerSample).toBeLessThanOrEqual(row.secondsPerSample * 1.03001)
      expect(result.processes * result.threads).toBeLessThanOrEqual(cores)
    }),
  )
})

test('a measurement that is no time is an error', async () => {
  for (const bad of [0, -1, Number.NaN]) {
    await expect(calibrate(async () => bad, machine, small)).rejects.toThrow(RangeError)
  }
})

test('the fastest run counts, the budget bounds the repetitions, a slow run is done once', async () => {
  const timed = async (durations: (i: number) => number, budget: number) => {
    let now = 0
    let runs = 0
    const run = async () => {
      now += durations(runs++)
    }
    return { seconds: await secondsPerRun(run, budget, () => now), runs: () => runs }
  }
  const warming = await timed(i => (i === 0 ? 0.03 : 0.01), 0.1)
  expect(warming.seconds).toBeCloseTo(0.01, 9)
  expect(warming.runs()).toBeGreaterThanOrEqual(8) // 0.03 + 7 x 0.01
  expect(warming.runs()).toBeLessThanOrEqual(9)
  const slow = await timed(() => 5, 0.1)
  expect([slow.seconds, slow.runs()]).toEqual([5, 1])
})
