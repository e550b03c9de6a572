/** `gate`, `compare` and `schema` on run folders with known verdicts; `evaluate --require` on a real run. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { beforeEach, describe, expect, test } from 'vitest'
import { mnist } from '../../test/support/assets.js'
import { cli, digitModel, temporaryFolder } from '../../test/support/digits.js'
import { inProcess } from '../../test/support/in-process.js'
import { madeUpResult } from '../../test/support/result.js'
import { writeRun } from '../../test/support/run-folder.js'
import { exactInterval } from '../evaluate/statistics.js'
import { type Result, resultSchema } from '../report/schema.js'

let folder = ''
beforeEach(() => {
  folder = temporaryFolder()
})
const at = (name: string) => join(folder, name)
const before = `${'r'.repeat(60)}${'b'.repeat(30)}${'m'.repeat(10)}`
/** Three samples lost, one won. */
const after = `bbb${'r'.repeat(57)}r${'b'.repeat(29)}${'m'.repeat(10)}`
const required = (...texts: string[]) => texts.flatMap(text => ['--require', text])

describe('gate', () => {
  test('met: exit code 0; not met or undecided: 1, with how many more samples would decide', async () => {
    const run = writeRun(at('a'), before)
    expect(await inProcess(['gate', run, ...required('robust >= 0.45', 'unknown <= 0')])).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(
        /✓ robust >= 0\.45 is met: 60\.00 % on 100 samples .*\n {2}✓ unknown <= 0 is met: 0 on 100/,
      ),
    })
    const undecided = await inProcess(['gate', run, ...required('robust >= 0.45', 'robust >= 0.55')])
    let count = 100
    while (exactInterval(0.6 * count, count)[0] < 0.55) count++
    expect(undecided).toMatchObject({ code: 1, stdout: expect.stringContaining(`Some ${count - 100} more samples`) })
    expect(await inProcess(['gate', run, ...required('robust >= 0.55'), '--decide', 'point'])).toMatchObject({
      code: 0,
    })
    expect(await inProcess(['gate', run, ...required('robust >= 0.9')])).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/✗ robust >= 0\.9 is not met.*misses it by/),
    })
    expect(await inProcess(['gate', join(run, 'result.json'), ...required('robust > 0.45')])).toMatchObject({ code: 0 })
  })

  test('writes every format at once, and tells GitHub Actions', async () => {
    const run = writeRun(at('a'), before)
    const files = ['g.json', 'g.junit.xml', 'g.sarif', 'g.md', 'g.csv'].map(at)
    writeFileSync(at('summary'), 'from another step\n')
    const variables = { GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: at('summary') }
    const words = ['gate', run, ...required('robust >= 0.9'), ...files.flatMap(file => ['-o', file])]
    const { code, stderr } = await inProcess([...words, '--json'], variables)
    expect(code).toBe(1)
    expect(stderr).toMatch(/^::error title=Requirement::robust >= 0\.9 is not met[^\n]*\n$/)
    expect(readFileSync(at('summary'), 'utf8')).toMatch(/^from another step\n<!-- robustly:result -->/)
    for (const file of files) expect(readFileSync(file, 'utf8')).toMatch(/robust (>|&gt;)= 0\.9/)
    const { requirements } = resultSchema.parse(JSON.parse(readFileSync(at('g.json'), 'utf8')))
    expect(requirements).toMatchObject([{ requirement: 'robust >= 0.9', status: 'not-met', count: 100 }])
    expect(await inProcess(words)).toMatchObject({ stderr: '' })
    await inProcess(['gate', join(run, 'result.json'), ...required('robust >= 0.9'), '-o', at('g.html')])
    expect(readFileSync(at('g.html'), 'utf8')).toContain('"requirement":"robust >= 0.9"')
  })

  test('a drop against a baseline: by pairs from run folders, by two rates from a bare result', async () => {
    const [main, run] = [writeRun(at('main'), before), writeRun(at('a'), after)]
    const json = async (path: string) => {
      const { stdout } = await inProcess(['gate', run, ...required(`drop <= 0.2 vs ${path}`), '--json'])
      return (JSON.parse(stdout) as { outcomes: { interval: [number, number]; pairs?: object; measured: number }[] })
        .outcomes[0]!
    }
    const paired = await json(main)
    expect(paired).toMatchObject({ measured: 0.02, pairs: { both: 57, onlyFirst: 3, onlySecond: 1, neither: 39 } })
    expect(await json(join(main, 'result.json'))).toEqual({ ...paired, requirement: expect.anything() })
    writeFileSync(at('bare.json'), readFileSync(join(main, 'result.json')))
    const bare = await json(at('bare.json'))
    expect(bare.pairs).toBeUndefined()
    expect(bare.interval[1]).toBeGreaterThan(paired.interval[1])
  })

  const other: readonly [string, (result: Result) => Result, RegExp][] = [
    ['data', r => ({ ...r, data: { ...r.data, sha256: 'c'.repeat(64) } }), /data \(sha256\): c{16}… against b{16}…/],
    ['range', r => ({ ...r, data: { ...r.data, range: [1, 101] } }), /samples: "1:101" against "0:100"/],
    ['input', r => ({ ...r, model: { ...r.model, inputShape: [3, 32, 32] } }), /values per sample: 3072 against 784/],
    ['norm', r => ({ ...r, threat: { ...r.threat, norm: 'L2' } }), /norm: "L2" against "Linf"/],
    ['epsilon', r => ({ ...r, threat: { ...r.threat, epsilonValue: 0.1 } }), /epsilon: 0\.1 against/],
    [
      'version',
      r => ({ ...r, tool: { ...r.tool, version: '0.0.9' } }),
      /version of robustly: "0\.0\.9" against "0\.1\.0"/,
    ],
    ['attacks', r => ({ ...r, attacks: r.attacks.map(a => ({ ...a, options: { steps: 1 } })) }), /attacks: /],
  ]
  test.each(other)(
    'a baseline of another %s is refused with exit code 2, and what differs',
    async (_, change, message) => {
      const [main, run] = [writeRun(at('main'), before, change), writeRun(at('a'), after)]
      const ended = await inProcess(['gate', run, ...required(`drop <= 1 vs ${main}`)])
      expect(ended).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(message) })
    },
  )

  test('another model is what a baseline is for; unfinished verdicts would hide a drop', async () => {
    const change = (r: Result): Result => ({ ...r, model: { ...r.model, sha256: 'd'.repeat(64), parameters: 1 } })
    const run = writeRun(at('a'), before)
    expect(
      await inProcess(['gate', run, ...required(`drop <= 0.2 vs ${writeRun(at('main'), before, change)}`)]),
    ).toMatchObject({ code: 0 })
    const unsure = writeRun(at('unsure'), before.replace('r', 'u'))
    expect(await inProcess(['gate', run, ...required(`drop <= 1 vs ${unsure}`)])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('1 samples without a verdict'),
    })
  })

  test.each([
    [[], 2, /nothing is required/],
    [required('certified >= 0.1'), 2, /certified nothing/],
    [required('square.robust >= 0.1'), 2, /There are: apgd-ce\.robust/],
    [required('robustness >= 0.1'), 2, /no metric "robustness"/],
    [required('drop <= 0.1 vs nowhere'), 3, /nowhere does not exist/],
    [[...required('robust >= 0.1'), '-o', 'a.xml'], 2, /\.junit\.xml/],
  ])('%j: an error, never a pass', async (words, code, message) => {
    const ended = await inProcess(['gate', writeRun(at('a'), before), ...words])
    expect(ended).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(message) })
  })

  test('a run that is empty, torn or says more than its records is an error', async () => {
    const gated = (name: string) => inProcess(['gate', at(name), ...required('robust >= 0')])
    const run = writeRun(at('a'), before)
    writeFileSync(join(run, 'records.jsonl'), '')
    expect(await gated('a')).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/0 robust of 0 samples, its result 60 of 100/),
    })
    writeRun(at('b'), before, r => ({
      ...r,
      accuracy: { ...r.accuracy, robust: { ...r.accuracy.robust, correct: 99 } },
    }))
    expect(await gated('b')).toMatchObject({ code: 3 })
    const empty = { ...madeUpResult(), data: { ...madeUpResult().data, count: 0 } }
    for (const text of ['', '{}', '[', JSON.stringify(empty)]) {
      writeFileSync(at('c.json'), text)
      expect(await gated('c.json')).toMatchObject({ code: 3, stdout: '' })
    }
  })
})

describe('compare', () => {
  test('the same samples paired, with flips by index', async () => {
    const [main, run] = [writeRun(at('main'), before), writeRun(at('a'), after)]
    const { code, stdout } = await inProcess(['compare', main, run, '-o', at('c.md'), '-o', at('c.json')])
    expect(code).toBe(0)
    expect(stdout).toMatch(/robust +100 +60\.00 % +58\.00 % +-2\.00 .* 3 +1 +0\.625/)
    expect(stdout).toContain('Robust only in the first: samples 0, 1, 2.')
    expect(JSON.parse(readFileSync(at('c.json'), 'utf8'))).toMatchObject({
      robust: { lost: [0, 1, 2], won: [60], probability: 0.625 },
    })
    expect(readFileSync(at('c.md'), 'utf8')).toContain('| robust | 100 | 60.00 % | 58.00 % |')
  })

  test('samples without a verdict are left out of the robust accuracy, and said', async () => {
    const [main, run] = [writeRun(at('main'), before), writeRun(at('a'), before.replace('r', 'u'))]
    const { stdout } = await inProcess(['compare', main, run])
    expect(stdout).toMatch(/robust +99 /)
    expect(stdout).toContain('1 samples without a verdict in one of the runs')
  })

  test('other data, threat or norm are refused, other samples when none is shared, bare results always', async () => {
    const main = writeRun(at('main'), before)
    const l2 = writeRun(at('l2'), before, r => ({ ...r, threat: { ...r.threat, norm: 'L2', epsilonValue: 1 } }))
    expect(await inProcess(['compare', main, l2])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/norm: "Linf" against "L2"; epsilon: 0\.03\d+ against 1/),
    })
    writeFileSync(at('bare.json'), readFileSync(join(main, 'result.json')))
    expect(await inProcess(['compare', main, at('bare.json')])).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/no verdicts/),
    })
  })
})

test('schemas: the result fits its own', async () => {
  const { code, stdout } = await inProcess(['schema', 'result'])
  expect(code).toBe(0)
  const fits = new Ajv2020({ strict: false }).compile(JSON.parse(stdout) as object)
  expect(fits(madeUpResult()), JSON.stringify(fits.errors)).toBe(true)
  expect(fits({ ...madeUpResult(), seed: -1 })).toBe(false)
  expect(JSON.parse((await inProcess(['schema', 'config'])).stdout)).toHaveProperty('properties.epsilon')
  expect(await inProcess(['schema', 'nothing'])).toMatchObject({ code: 2 })
})

test('evaluate --require: results first, then exit code 1', async () => {
  await digitModel(folder)
  const words = [
    'evaluate',
    'digits.onnx',
    '--data',
    mnist,
    '--epsilon',
    '0.05',
    '--samples',
    '0:20',
    '--processes',
    '1',
  ]
  const run = (...more: string[]) => cli([...words, '--batch', '16', '--quiet', ...more], { cwd: folder })
  const missed = await run('--run', 'r', '--require', 'robust >= 0.99', '-o', 'a.junit.xml')
  expect(missed).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/Robust accuracy[\s\S]*robust >= 0\.99 is not met/),
  })
  expect(readFileSync(at('a.junit.xml'), 'utf8')).toContain('<failure')
  expect(await inProcess(['report', at('r'), '-o', at('r.html'), '--quiet'])).toMatchObject({ code: 0 })
  expect(readFileSync(at('r.html'), 'utf8')).toContain('"requirement":"robust >= 0.99","metric":"robust"')
  const met = await run('--run', 'r', '--resume', '--require', 'standard >= 0.1', '--json')
  expect(met).toMatchObject({ code: 0, stderr: expect.stringContaining('is met') })
  expect(resultSchema.parse(JSON.parse(met.stdout)).requirements).toMatchObject([{ status: 'met', threshold: 0.1 }])
  expect(readFileSync(join(at('r'), 'result.json'), 'utf8')).toBe(met.stdout)
  expect(await run('--run', 'q', '--require', 'drop <= 0.1 vs nowhere')).toMatchObject({ code: 3, stdout: '' })
  expect(await run('--run', 'r', '--resume', '--require', 'fab.robust >= 0')).toMatchObject({
    code: 2,
    stdout: expect.stringContaining('Robust accuracy'),
    stderr: expect.stringContaining('no attack "fab" ran'),
  })
})
