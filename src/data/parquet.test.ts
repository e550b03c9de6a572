import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RobustlyError } from '../errors.js'
import { openDataset } from './dataset.js'

/** As pyarrow writes it: age int64, debt double, member bool, job and income texts; four rows, dictionaries, snappy. */
const snappy = [
  'UEFSMRUEFUAVOEwVCBUAEgAAIAQeAAkBACgJB0AAMgAAAAAAAAA8AAAAAAAAABUAFRQVGCwVCBUQFQYVBhwAAAAKJAIAAAAIAQID5AAVBBVAFT',
  'ZMFQgVABIAACAAAAUBBPg/BQcIAFnACQgk0D8AAAAAAAAcQBUAFRQVGCwVCBUQFQYVBhwAAAAKJAIAAAAIAQID5AAVABUOFRIsFQgVABUGFQYc',
  'AAAABxgCAAAACAENFQQVFBUYTBUEFQASAAAKJAEAAABiAQAAAGEVABUSFRYsFQgVEBUGFQYcAAAACSACAAAACAEBAwoVBBUeFSJMFQQVABIAAA',
  '84AwAAAGxvdwQAAABoaWdoFQAVEhUWLBUIFRAVBhUGHAAAAAkgAgAAAAgBAQMKFQQZbDUAGAZzY2hlbWEVCgAVBCUCGANhZ2UAFQolAhgEZGVi',
  'dAAVACUCGAZtZW1iZXIAFQwlAhgDam9iJQBMHAAAABUMJQIYBmluY29tZSUATBwAAAAWCBkcGVwmABwVBBk1AAYQGRgDYWdlFQIWCBaWARaSAS',
  'ZcJggpLBUEFQAVAgAVABUQFQIAPCkGGSYACAAAACYAHBUKGTUABhAZGARkZWJ0FQIWCBaWARaQASbsASaaASksFQQVABUCABUAFRAVAgA8KQYZ',
  'JgAIAAAAJgAcFQAZJQYAGRgGbWVtYmVyFQIWCBY0FjgmqgJJHBUAFQAVAgA8KQYZJgAIAAAAJgAcFQwZNQAGEBkYA2pvYhUCFggWaBZwJpYDJu',
  'ICKSwVBBUAFQIAFQAVEBUCADwWCBkGGSYACAAAACYAHBUMGTUABhAZGAZpbmNvbWUVAhYIFnIWeiaQBCbSAyksFQQVABUCABUAFRAVAgA8FhwZ',
  'BhkmAAgAAAAWugQWCCYIFsQEACggcGFycXVldC1jcHAtYXJyb3cgdmVyc2lvbiAyNi4wLjEZXBwAABwAABwAABwAABwAAAC1AQAAUEFSMQ==',
].join('')
/** The same in gzip. */
const gzip = [
  'UEFSMRUEFUAVPkwVCBUAEgAAH4sIAAAAAAACA5NjgAANKG0EpW2gNABZ/AkmIAAAABUAFRQVPCwVCBUQFQYVBhwAAAAfiwgAAAAAAAIDY2JgYO',
  'BgZGJ+wgAArFMRpAoAAAAVBBVAFUpMFQgVABIAAB+LCAAAAAAAAgNjYACBH/ZgiiHyAIS+AOXLOAAAXzwMQCAAAAAVABUUFTwsFQgVEBUGFQYc',
  'AAAAH4sIAAAAAAACA2NiYGDgYGRifsIAAKxTEaQKAAAAFQAVDhU2LBUIFQAVBhUGHAAAAB+LCAAAAAAAAgNjYmBg4GDkBQAT0kpjBwAAABUEFR',
  'QVOEwVBBUAEgAAH4sIAAAAAAACA2NkYGBIYgQSiQBn1aFOCgAAABUAFRIVOiwVCBUQFQYVBhwAAAAfiwgAAAAAAAIDY2JgYOBgZGTmAgBmwAmK',
  'CQAAABUEFR4VQkwVBBUAEgAAH4sIAAAAAAACA2NmYGDIyS9nAVIZmekZADOpRXwPAAAAFQAVEhU6LBUIFRAVBhUGHAAAAB+LCAAAAAAAAgNjYm',
  'Bg4GBkZOYCAGbACYoJAAAAFQQZbDUAGAZzY2hlbWEVCgAVBCUCGANhZ2UAFQolAhgEZGVidAAVACUCGAZtZW1iZXIAFQwlAhgDam9iJQBMHAAA',
  'ABUMJQIYBmluY29tZSUATBwAAAAWCBkcGVwmABwVBBk1AAYQGRgDYWdlFQQWCBaWARa8ASZiJggpLBUEFQAVAgAVABUQFQIAPCkGGSYACAAAAC',
  'YAHBUKGTUABhAZGARkZWJ0FQQWCBaWARbIASaqAibEASksFQQVABUCABUAFRAVAgA8KQYZJgAIAAAAJgAcFQAZJQYAGRgGbWVtYmVyFQQWCBY0',
  'FlwmjANJHBUAFQAVAgA8KQYZJgAIAAAAJgAcFQwZNQAGEBkYA2pvYhUEFggWaBa0ASa8BCboAyksFQQVABUCABUAFRAVAgA8FggZBhkmAAgAAA',
  'AmABwVDBk1AAYQGRgGaW5jb21lFQQWCBZyFr4BJvoFJpwFKSwVBBUAFQIAFQAVEBUCADwWHBkGGSYACAAAABa6BBYIJggW0gYAKCBwYXJxdWV0',
  'LWNwcC1hcnJvdyB2ZXJzaW9uIDI2LjAuMRlcHAAAHAAAHAAAHAAAHAAAALcBAABQQVIx',
].join('')

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'robustly-parquet-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, bytes: Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}

describe('.parquet', () => {
  const bytes = Buffer.from(snappy, 'base64')

  it('has numbers, truth values and texts', async () => {
    const data = await openDataset(`${file('a.parquet', bytes)}:encode=one-hot`)
    expect(data.featureNames).toEqual(['age', 'debt', 'member', 'job=a', 'job=b'])
    expect(data.classNames).toEqual(['high', 'low'])
    const { inputs, labels } = await data.read(1, 3)
    expect([...inputs]).toEqual([40, -100, 0, 1, 0, 50, 0.25, 1, 0, 1])
    expect([...labels]).toEqual([0, 1])
  })
  it('is recognised by its first bytes, and takes the last column as the labels', async () => {
    await expect(openDataset(file('data.bytes', bytes))).rejects.toThrow(
      /data.bytes has columns that are not numbers: job/,
    )
  })
  it('refuses what it cannot decompress, by name', async () => {
    await expect(openDataset(file('z.parquet', Buffer.from(gzip, 'base64')))).rejects.toThrow(/compressed with GZIP/)
  })
  it('refuses more cells than the limit before reading them', async () => {
    await expect(openDataset(file('a.parquet', bytes), { limits: { tableCells: 19 } })).rejects.toThrow(
      /more than 19 cells/,
    )
  })
  it('gives a data set or a clear error for bytes changed at random, quickly', { timeout: 60_000 }, async () => {
    const edit = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255))
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 6 }), async edits => {
        const mutated = Uint8Array.from(bytes)
        for (const [at, value] of edits) mutated[at] = value
        try {
          const data = await openDataset(`${file('m.parquet', mutated)}:encode=one-hot`)
          await data.read(0, data.count)
        } catch (error) {
          if (!(error instanceof RobustlyError)) throw error
        }
      }),
      { numRuns: 400 },
    )
  })
})
