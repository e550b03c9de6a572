/** docs/attacks.md is what the attack table and the measurements say. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { attackDocument, optionsOf } from '../../bench/attacks/document.js'
import { readMeasured } from '../../bench/attacks/measured.js'
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
