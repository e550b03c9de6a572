import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RobustlyError } from '../errors.js'
import { hashOf, parseSaid, saidBehind } from './said.js'

const table = { noun: 'a table', keys: ['label', 'drop', 'encode', 'bind'] } as const
const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_/.: -]{0,12}$/)

describe('what is said behind a path', () => {
  it('is read back as it was written', () => {
    const bindings = fc.array(fc.record({ input: name, column: name }), { minLength: 1, maxLength: 4 })
    const relabelling = fc.oneof(
      fc.integer({ min: -99, max: 99 }),
      fc.array(fc.nat(99), { minLength: 2, maxLength: 5 }),
    )
    fc.assert(
      fc.property(
        name,
        bindings,
        relabelling,
        fc.constantFrom(undefined, 'train', 'test'),
        (label, bind, relabel, split) => {
          const moved = typeof relabel === 'number' ? `${relabel < 0 ? '' : '+'}${relabel}` : relabel.join(':')
          const parts = [
            ...(split === undefined ? [] : [split]),
            `label=${label}`,
            ...bind.map(({ input, column }) => `bind=${input}=${column}`),
            `relabel=${moved}`,
          ]
          const [, path, said] = saidBehind.exec(`data/x.csv:${parts.join(',')}`)!
          expect(path).toBe('data/x.csv')
          expect(parseSaid(said!, table)).toEqual({ ...(split && { split }), table: { label }, bind, relabel })
        },
      ),
    )
  })
  it('is read, or refused by name, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), text => {
        try {
          parseSaid(text, table)
        } catch (error) {
          expect(error).toBeInstanceOf(RobustlyError)
          expect(error).toMatchObject({ code: 'usage', hint: expect.stringContaining('bind=INPUT=NAME') })
        }
      }),
    )
  })
  it.each(['model.onnx', 'C:\\data\\x.npz', 'https://host:8080/v2/models/a', 'mnist:training', 'a=b.npz'])(
    'is nothing in %s',
    path => expect(saidBehind.exec(path)).toBeNull(),
  )
  it('changes the hash where it changes what the model gets', () => {
    const bind = [{ input: 'a', column: 'b' }]
    const hashes = [{}, { bind }, { relabel: 1 }, { bind, relabel: 1 }, { relabel: [1, 0] }].map(said =>
      hashOf('00', said),
    )
    expect(new Set(hashes).size).toBe(5)
    expect(hashes[0]).toBe('00')
  })
})
