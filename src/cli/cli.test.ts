/** The real command line in processes of its own: exit codes, messages, signals. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { mnist } from '../../test/support/assets.js'
import {
  childrenOf,
  cli,
  digitData,
  digitModel,
  type Ended,
  essence,
  failing,
  notFinite,
  startCli,
  temporaryFolder,
  until,
} from '../../test/support/digits.js'
import { inProcess } from '../../test/support/in-process.js'
import { writeNpz } from '../data/npz-write.js'
import { resultSchema } from '../report/schema.js'
import { float32, int64 } from '../tensor/tensor.js'

const few = ['--data', mnist, '--epsilon', '0.05', '--samples', '0:40', '--processes', '1', '--batch', '16']
const evaluate = (folder: string, ...words: string[]) =>
  cli(['evaluate', 'digits.onnx', ...few, ...words], { cwd: folder })

/** A message for people: what is wrong, never a stack. */
function failed({ code, stdout, stderr }: Ended, exitCode: number, message: RegExp): void {
  expect({ code, stderr }).toEqual({ code: exitCode, stderr: expect.stringMatching(message) })
  expect(stderr).toMatch(/^error: /m)
  expect(stderr).not.toMatch(/^\s+at |node:internal|file:\/\//m)
  expect(stdout).toBe('')
}

test('evaluates: table on stdout, progress on stderr, files as asked', async () => {
  const folder = temporaryFolder()
  await digitModel(folder)
  const { code, stdout, stderr } = await evaluate(folder, '--run', 'r', '-o', 'a.json', '-o', 'a.csv', '-o', 'a.md')
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(stdout).toMatch(/Robust accuracy +\d+\.\d\d %/)
  expect(stdout).toContain('robustly replay r')
  expect(stderr).toContain('40/40')
  expect(stderr).not.toContain('\r')
  expect(stdout + stderr).not.toContain('\u001b')
  expect(readFileSync(join(folder, 'a.json'), 'utf8')).toBe(readFileSync(join(folder, 'r', 'result.json'), 'utf8'))
  expect(readFileSync(join(folder, 'a.csv'), 'utf8')).toContain('attack,apgd-ce,')
  expect(readFileSync(join(folder, 'a.md'), 'utf8')).toContain('| apgd-ce |'.replace('-', '\\-'))

  const json = await evaluate(folder, '--run', 'r', '--resume', '--json', '--quiet')
  expect(json.stderr).toBe('')
  const result = resultSchema.parse(JSON.parse(json.stdout))
  expect(result.data).toMatchObject({ file: 'data', range: [0, 40] })
  expect(json.stdout).not.toContain(folder)

  const replayed = await cli(['replay', 'r'], { cwd: folder })
  expect(replayed).toMatchObject({ code: 0, stdout: expect.stringContaining('Every broken verdict holds') })
  const records = readFileSync(join(folder, 'r', 'records.jsonl'), 'utf8')
  writeFileSync(join(folder, 'r', 'records.jsonl'), records.replace('"verdict":"robust"', '"verdict":"broken"'))
  expect(await cli(['replay', 'r'], { cwd: folder })).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('does not hold'),
  })
})

test('inspect says what a model is; doctor what the machine can do; help and version', async () => {
  const folder = temporaryFolder()
  await digitModel(folder)
  const [inspected, json, doctor, help, version] = await Promise.all([
    cli(['inspect', 'digits.onnx'], { cwd: folder }),
    cli(['inspect', 'digits.onnx', '--json'], { cwd: folder }),
    cli(['doctor']),
    cli(['evaluate', '--help']),
    cli(['--version']),
  ])
  expect(inspected).toMatchObject({
    code: 0,
    stderr: '',
    stdout: expect.stringMatching(/image +float32 \[1, 1, 28, 28\]/),
  })
  expect(JSON.parse(json.stdout)).toMatchObject({ classes: 10, parameters: 7850, missing: [] })
  expect(doctor).toMatchObject({ code: 0, stdout: expect.stringContaining('WebAssembly') })
  expect(help.stdout).toMatch(/^Examples:[\s\S]*Usage:[\s\S]*--epsilon[\s\S]*Exit codes:/)
  expect(version).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
})

describe('usage and configuration end with exit code 2', () => {
  test.each([
    [['evalute'], /Did you mean evaluate/],
    [['evaluate', 'm.onnx', ...few, '--epsilom', '1'], /Did you mean --epsilon/],
    [['evaluate', 'm.onnx', '--data', mnist], /--epsilon/],
    [['evaluate', 'm.onnx', ...few, '--epsilon', '8/0'], /epsilon is "8\/0"/],
    [['evaluate', 'm.onnx', ...few, '--epsilon', '-1'], /epsilon is "-1"/],
    [['evaluate', 'm.onnx', ...few, '--norm', 'L3'], /Linf, L2, L1 or L0/],
    [['evaluate', 'm.onnx', ...few, '--suite', 'enormous'], /no suite "enormous"; there are: quick/],
    [['evaluate', 'm.onnx', ...few, '--attack', 'pgdd'], /no attack "pgdd"/],
    [['evaluate', 'm.onnx', ...few, '--attack', 'pgd:stepz=3'], /stepz/],
    [['evaluate', 'm.onnx', ...few, '--attack', 'pgd', '--attack', 'pgd'], /given twice/],
    [['evaluate', 'm.onnx', ...few, '--samples', '0:99999'], /has 0:10000/],
    [['evaluate', 'm.onnx', ...few, '--samples', '5:5'], /5:5/],
    [['evaluate', 'm.onnx', ...few, '--seed', '-1'], /whole number/],
    [['evaluate', 'm.onnx', ...few, '--box', '1:0'], /LOW:HIGH/],
    [['evaluate', 'm.onnx', ...few, '--memory-limit', '2'], /64MB/],
    [['evaluate', 'm.onnx', ...few, '-o', 'a.pdf'], /\.json, /],
    [['evaluate', 'm.onnx', ...few, '-o', 'nowhere/a.json'], /does not exist/],
    [['evaluate', 'm.onnx', ...few, '-o', '/tmp/.json/../'], /names no format/],
    [['evaluate', 'm.onnx', ...few, '--resume'], /--run FOLDER/],
  ])('%j', async (words, message) => {
    failed(await inProcess(words), 2, message)
  })
})

describe('what cannot be read ends with exit code 3, and leaves no run', () => {
  const models: readonly [string, (folder: string) => void, RegExp][] = [
    ['a missing model', () => {}, /no such file/],
    ['a folder', folder => mkdirSync(join(folder, 'digits.onnx')), /a directory, not an ONNX file/],
    ['an empty file', folder => writeFileSync(join(folder, 'digits.onnx'), ''), /empty/],
    ['gzip', folder => writeFileSync(join(folder, 'digits.onnx'), gzipSync('x')), /looks like gzip/],
    ['text', folder => writeFileSync(join(folder, 'digits.onnx'), 'hello, world'), /not an ONNX file/],
  ]
  test.each(models)('%s', async (_, make, message) => {
    const folder = temporaryFolder()
    make(folder)
    failed(await evaluate(folder, '--run', 'r', '--quiet'), 3, message)
    expect(existsSync(join(folder, 'r'))).toBe(false)
  })

  test('data: missing, and a label that the model does not have, named by its row', async () => {
    const folder = temporaryFolder()
    await digitModel(folder)
    failed(await evaluate(folder, '--data', 'nowhere.npz'), 3, /nowhere\.npz/)
    const labels = BigInt64Array.from({ length: 40 }, (_, at) => (at === 33 ? 10n : 1n))
    await writeNpz(join(folder, 'd.npz'), { x: float32(new Float32Array(40 * 784), [40, 1, 28, 28]), y: int64(labels) })
    failed(await evaluate(folder, '--data', 'd.npz', '--run', 'r', '--quiet', '--force'), 3, /33/)
  })

  test('a model at chance: what to check', async () => {
    const folder = temporaryFolder()
    await digitModel(folder, (b, logits) => b.neg(logits))
    failed(
      await evaluate(folder, '--quiet'),
      3,
      /first 40 clean samples[\s\S]*--mean, --std[\s\S]*--layout[\s\S]*--force/,
    )
    expect(existsSync(join(folder, 'runs')) ? readdirSync(join(folder, 'runs')) : []).toEqual([])
  })
})

test('samples without a verdict: exit code 4 and a warning', async () => {
  const folder = temporaryFolder()
  const data = await digitData(folder, 40, [7])
  await digitModel(folder, notFinite(500))
  const notANumber = await evaluate(folder, '--data', data, '--quiet', '--epsilon', '0')
  expect(notANumber).toMatchObject({ code: 4, stdout: expect.stringContaining('1 sample without a verdict') })
  await digitModel(folder, failing(500))
  const broken = await evaluate(folder, '--data', data, '--quiet', '--epsilon', '0')
  expect(broken).toMatchObject({
    code: 4,
    stdout: expect.stringMatching(/1 sample without a verdict[\s\S]*ONNX\s+Runtime/),
  })
})

/** A run of some seconds. */
const long = ['--samples', '0:200', '--attack', 'pgd:steps=400', '--run', 'r']
const lines = (folder: string) => {
  const path = join(folder, 'r', 'records.jsonl')
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : 0
}

test('killed three times at random moments and resumed: the same bytes', async () => {
  const folder = temporaryFolder()
  await digitModel(folder)
  expect(await evaluate(folder, ...long, '--run', 'whole')).toMatchObject({ code: 0 })
  const moments: number[] = []
  for (let time = 1; time <= 3; time++) {
    const words = ['evaluate', 'digits.onnx', ...few, ...long, '--processes', '2', ...(time > 1 ? ['--resume'] : [])]
    const { child, ended } = startCli(words, { cwd: folder })
    const enough = Math.floor(Math.random() * 50 * time)
    moments.push(enough)
    await until(() => lines(folder) >= enough && existsSync(join(folder, 'r', 'run.json')))
    child.kill('SIGKILL')
    expect(await ended, `after ${moments} records`).toMatchObject({ signal: 'SIGKILL' })
  }
  expect(await evaluate(folder, ...long, '--resume')).toMatchObject({ code: 0 })
  expect(essence(join(folder, 'r')), `killed after ${moments} records`).toEqual(essence(join(folder, 'whole')))
})

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s stops with exit code %i, says how to go on, and leaves no process', async (signal, code) => {
  const folder = temporaryFolder()
  await digitModel(folder)
  const { child, ended } = startCli(['evaluate', 'digits.onnx', ...few, ...long], { cwd: folder })
  await until(() => lines(folder) >= 5)
  const workers = childrenOf(child.pid!)
  child.kill(signal)
  const { code: got, stderr } = await ended
  expect(got).toBe(code)
  expect(stderr).toMatch(/To continue:\n {2}robustly evaluate digits\.onnx .*--run r --resume\n$/)
  await until(() => workers.every(pid => childrenOf(pid).length === 0 && !existsSync(`/proc/${pid}/exe`)))
  expect(existsSync(join(folder, 'r', 'lock'))).toBe(false)
  const again = await evaluate(folder, ...long, '--seed', '1', '--resume')
  failed(again, 2, /seed was 0 and is now 1/)
})

test('a run folder in use is refused', async () => {
  const folder = temporaryFolder()
  await digitModel(folder)
  const { child, ended } = startCli(['evaluate', 'digits.onnx', ...few, ...long], { cwd: folder })
  await until(() => lines(folder) >= 1)
  child.kill('SIGSTOP') // however fast the machine, it holds the folder now
  failed(await evaluate(folder, ...long, '--resume', '--quiet'), 2, /in use by process \d+/)
  failed(await evaluate(folder, ...long, '--quiet'), 2, /holds a run already/)
  child.kill('SIGKILL')
  await ended
  expect(await evaluate(folder, ...long, '--resume', '--quiet')).toMatchObject({ code: 0 })
})

test.skipIf(process.platform === 'win32')(
  'a disk that takes no more: exit code 4, no torn line, and the run goes on later',
  async () => {
    const folder = temporaryFolder()
    await digitModel(folder)
    // Files of at most 128 blocks of 512 bytes; the signal that says so is ignored, so that writing fails with an error.
    const many = ['--samples', '0:200', '--epsilon', '0.1', '--quiet']
    const words = ['evaluate', 'digits.onnx', ...few, ...many, '--run', 'r']
    failed(
      await cli(words, { cwd: folder, prefix: "trap '' XFSZ; ulimit -f 128" }),
      4,
      /records\.jsonl: the file would be larger/,
    )
    expect(readdirSync(join(folder, 'r')).sort()).toEqual(['records.jsonl', 'run.json', 'times.json'])
    expect(statSync(join(folder, 'r', 'records.jsonl')).size).toBeLessThanOrEqual(128 * 1024)
    expect(readFileSync(join(folder, 'r', 'records.jsonl'), 'utf8')).toMatch(/\}\n$/)
    expect(await evaluate(folder, ...many, '--run', 'r', '--resume')).toMatchObject({ code: 0 })
    await evaluate(folder, ...many, '--run', 'whole')
    expect(essence(join(folder, 'r'))).toEqual(essence(join(folder, 'whole')))
  },
)

test.skipIf(process.platform === 'win32')('a reader that goes away is no error', async () => {
  const folder = temporaryFolder()
  await digitModel(folder)
  const pipe = 'exec 3>&1; { "$@"; echo $? >&3; } 2>err | true; cat >/dev/null; exit 0; :'
  const ended = await cli(['inspect', 'digits.onnx'], { cwd: folder, prefix: pipe })
  expect(ended.stdout.trim()).toBe('0')
  expect(readFileSync(join(folder, 'err'), 'utf8')).toBe('')
})
