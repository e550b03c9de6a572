import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { failure, filesIn, temporaryFolder } from './fixtures.test-support.js'
import { formats } from './index.js'

test('a path that is not there is shown', async () => {
  const error = await failure('no/such/data.npz')
  expect(error).toMatchObject({ code: 'data-unreadable', message: 'cannot read no/such/data.npz: it does not exist' })
  expect(error.exitCode).toBe(3)
})

test.each<[string, string | Uint8Array, string, RegExp]>([
  ['model.pth', 'PK\x03\x04', 'data-unsupported', /pickle.*execute code/],
  ['data.pkl', '\x80\x04', 'data-unsupported', /pickle/],
  ['data.h5', '\x89HDF', 'data-unsupported', /format that is not read/],
  ['cat.png', '\x89PNG', 'data-unsupported', /single picture/],
  ['data.zip', 'PK\x03\x04', 'data-unsupported', /archive/],
  ['data.xyz', 'what', 'data-unsupported', /no data format that is known/],
  ['empty', '', 'data-unsupported', /no data format that is known/],
])('%s is refused with the way out', async (name, content, code, message) => {
  const error = await failure(await filesIn({ [name]: content }))
  expect(error.code).toBe(code)
  expect(error.message).toMatch(message)
  expect(error.hint).toBeTruthy()
})

test('an empty folder, and a name with a newline', async () => {
  const folder = join(await temporaryFolder(), 'data\nset')
  mkdirSync(folder)
  expect(await failure(folder)).toMatchObject({ code: 'data-unsupported', message: 'the folder data set is empty' })
})

test.skipIf(process.platform === 'win32')('a pipe does not hang', async () => {
  const pipe = join(await temporaryFolder(), 'data.npz')
  execFileSync('mkfifo', [pipe])
  expect(await failure(pipe)).toMatchObject({
    code: 'data-unreadable',
    message: expect.stringContaining('regular file'),
  })
  expect(await failure('/dev/zero')).toMatchObject({ code: 'data-unreadable' })
})

test('format names are unique and each is described', () => {
  expect(new Set(formats.map(format => format.name)).size).toBe(formats.length)
  for (const format of formats) expect(format.description).not.toBe('')
})
