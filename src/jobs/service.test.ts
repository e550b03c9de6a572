/** Files that describe endpoints, as people may write them. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../test/support/digits.js'
import { openService } from './service.js'

const json = { protocol: 'json', url: 'https://host.test/predict', response: 'y', kind: 'scores' }
const nested = (depth: number) => `${'['.repeat(depth)}"$samples"${']'.repeat(depth)}`
const opened = (text: string) => {
  const file = join(temporaryFolder(), 'endpoint.json')
  writeFileSync(file, text)
  return openService({ file, variables: {} })
}
const withRequest = (request: string) => JSON.stringify(json).replace('{', `{"request":${request},`)

test('values stand anywhere in a request', () => {
  expect(opened(withRequest(nested(40))).url).toBe(json.url)
})

test.each([
  ['[', 'is not JSON'],
  [withRequest(nested(100_000)), 'is nested too deeply'],
  [withRequest('{"x":"$samples.x"}'), 'is not right: request: nowhere holds "$samples"'],
  [withRequest('"$sample"').replace('"y"', '"a..b"'), 'is not right: response: is not a path'],
])('a file that cannot be used: %#', (text, problem) => {
  expect(() => opened(text)).toThrow(
    expect.objectContaining({ code: 'config', message: expect.stringContaining(problem) }),
  )
})
