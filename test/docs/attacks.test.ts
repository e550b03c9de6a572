/** docs/attacks.md is what the attack table and the measurements say. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { attackDocument, optionsOf } from '../../bench/attacks/document.js'
import { type Entry, readMeasured } from '../../bench/attacks/measured.js'
import { missingJobs, secondsOf } from '../../bench/attacks/plan.js'
import { attacks } from '../../src/attacks/index.js'

const measured = readMeasured()!

describe('docs/attacks.md', () => {
  it('is what `npm run docs:attacks` writes', () => {
    expect(readFileSync('docs/attacks.md', 'utf8')).toBe(attackDocument(measured))
  })

  it.each([...attacks.values()])('$name has a measurement: npm run docs:measure', ({ name }) => {
    expect(measured.entries.filter(({ attack }) => attack === name)).not.toEqual([])
  })

  it.each([...attacks.values()])('every option of $name says what it is', attack => {
    for (const [option, , , description] of optionsOf(attack)) expect(description, option).not.toBe('')
  })

  it('an attack without a measurement is no document', () => {
    const entries = measured.entries.filter(({ attack }) => attack !== 'pgd')
    expect(() => attackDocument({ ...measured, entries })).toThrow('not measured: pgd')
  })
})

describe('what is measured', () => {
  const [fgsm, square, miFgsm] = ['fgsm', 'square', 'mi-fgsm'].map(name => attacks.get(name)!)
  const wish = { samples: 100, queries: 20_000 }
  /** As if each job had been measured, at so many queries for an image. */
  const done = (queries: number, list = [fgsm!, square!, miFgsm!]): Entry[] =>
    missingJobs(list, [], wish).map(({ attack, norm, model, surrogate }) => ({
      ...{ attack: attack.name, norm, epsilon: { Linf: '0.3', L2: '2', L1: '10', L0: '10' }[norm] },
      ...{
        model: model.slice('examples/models/'.length),
        surrogate: surrogate?.slice('examples/models/'.length) ?? null,
      },
      options: attack.options.parse({}) as Record<string, unknown>,
      ...{ samples: 10, attempted: 10, left: 5, median: null, queries: { forward: 10 * queries, gradient: 0 } },
    }))

  it('is every norm, on few images at first; attacks made for transfer from each example to the other', () => {
    const jobs = missingJobs([fgsm!, miFgsm!], [], wish)
    expect(jobs.map(({ samples }) => samples)).toEqual(Array(9).fill(4))
    expect(jobs.filter(({ surrogate }) => surrogate !== null).length).toBe(6)
    for (const { model, surrogate } of jobs) expect(model).not.toBe(surrogate)
  })

  it('then as many as the queries allow, the cheapest first, and nothing twice', () => {
    const entries = [...done(5000, [square!]), ...done(3, [fgsm!, miFgsm!])]
    const jobs = missingJobs([square!, fgsm!, miFgsm!], entries, wish)
    expect(jobs.map(({ attack, samples }) => `${attack.name} ${samples}`)).toEqual([
      ...Array(3).fill('fgsm 100'),
      ...Array(6).fill('mi-fgsm 100'),
    ])
    expect(missingJobs([square!], entries, { ...wish, queries: 200_000 }).map(({ samples }) => samples)).toEqual([
      40, 40, 40,
    ])
    expect(secondsOf(jobs[0]!, { forward: 0.01, gradient: 1, start: 2 })).toBeCloseTo(5)
  })

  it('again where it is stale, was measured with other options or at another epsilon', () => {
    const [entry, ...others] = done(2000, [square!])
    for (const change of [{ stale: true as const }, { options: {} }, { epsilon: '0.1' }, { surrogate: 'other.onnx' }]) {
      expect(missingJobs([square!], [{ ...entry!, ...change }, ...others], wish).length).toBe(1)
    }
    expect(missingJobs([square!], [entry!, ...others], wish)).toEqual([])
  })
})
