/** `robustly init`: what it writes, what it refuses, and its questions on a real terminal. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { cli, mainScript, temporaryFolder, until } from '../../../test/support/digits.js'
import { loadConfig } from '../config/load.js'

const said = ['--yes', '--model', 'm.onnx', '--data', 'd.npz', '--epsilon', '8/255']
const init = (folder: string, ...words: string[]) => cli(['init', ...words], { cwd: folder })

test.each(['yaml', 'json', 'ts'])('writes a config file that is read: %s', async format => {
  const folder = temporaryFolder()
  const ended = await init(folder, ...said, '--norm', 'L2', '--suite', 'standard', '--format', format)
  expect(ended).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining('m.onnx is not there yet') })
  expect(await loadConfig(join(folder, `robustly.config.${format}`))).toEqual({
    model: join(folder, 'm.onnx'),
    data: join(folder, 'd.npz'),
    norm: 'L2',
    epsilon: '8/255',
    suite: 'standard',
  })
  const printed = await cli(['evaluate', '--print-config'], { cwd: folder })
  expect(printed.stdout).toMatch(/^epsilon +8\/255 +config robustly\.config/m)
})

test('leaves what is there alone, unless forced; a second config file never', async () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'robustly.config.yaml'), 'seed: 1\n')
  expect(await init(folder, ...said)).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/is there already[\s\S]*--force/),
  })
  expect(await init(folder, ...said, '--format', 'json', '--force')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('there is robustly.config.yaml already'),
  })
  expect(readFileSync(join(folder, 'robustly.config.yaml'), 'utf8')).toBe('seed: 1\n')
  expect(readdirSync(folder)).toEqual(['robustly.config.yaml'])
  expect(await init(folder, ...said, '--force')).toMatchObject({ code: 0 })
  expect(parse(readFileSync(join(folder, 'robustly.config.yaml'), 'utf8'))).toMatchObject({ model: 'm.onnx' })
})

test('a workflow that is YAML, and evaluates', async () => {
  const folder = temporaryFolder()
  expect(await init(folder, ...said, '--workflow')).toMatchObject({ code: 0 })
  const { jobs } = parse(readFileSync(join(folder, '.github', 'workflows', 'robustly.yml'), 'utf8'))
  const [, , { run }, upload] = jobs.robustly.steps
  expect(run).toMatch(/robustly evaluate/)
  // What is written is what is kept.
  expect(upload.with.path.trim().split('\n')).toEqual([...run.matchAll(/-o (\S+)/g)].map(([, path]) => path))
  expect(await init(folder, ...said, '--workflow')).toMatchObject({ code: 2 })
})

test.each([
  [['--yes'], /not said: --model, --data, --epsilon/],
  [['--model', 'm.onnx'], /not said: --data, --epsilon[\s\S]*no terminal/],
  [[...said.slice(0, -1), '8/0'], /epsilon is "8\/0"/],
  [[...said, '--format', 'toml'], /yaml, json, ts/],
])('%j is refused and nothing written', async (words, message) => {
  const folder = temporaryFolder()
  expect(await init(folder, ...words)).toMatchObject({ code: 2, stderr: expect.stringMatching(message) })
  expect(readdirSync(folder)).toEqual([])
})

const hasScript = spawnSync('script', ['--version']).status === 0
if (!hasScript) console.warn('script (util-linux) is not installed: questions on a terminal are SKIPPED')

describe.skipIf(!hasScript)('on a terminal', () => {
  /** Answers each question when it appears; gives the exit code. */
  async function answer(
    folder: string,
    answers: readonly (readonly [question: string, keys: string])[],
  ): Promise<number> {
    const command = `stty cols 80; '${process.execPath}' '${mainScript}' init`
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      cwd: folder,
      env: { PATH: process.env.PATH, TERM: 'xterm', LANG: 'C.UTF-8', COLUMNS: '80' },
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    let screen = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (screen += text))
    const ended = new Promise<number>(resolve => child.on('close', code => resolve(code ?? -1)))
    for (const [question, keys] of answers) {
      await until(() => screen.includes(question))
      child.stdin.write(keys)
    }
    return await ended
  }

  test('asks for what is needed, and proposes what lies here', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'only.onnx'), '')
    const questions = [
      ['Which model', '\r'],
      ['Which data', 'x.npz\r'],
      ['How is a change measured', '\u001b[B\r'],
      ['How large', '0.5\r'],
      ['Which attacks', '\r'],
    ] as const
    expect(await answer(folder, questions)).toBe(0)
    expect(parse(readFileSync(join(folder, 'robustly.config.yaml'), 'utf8'))).toEqual({
      model: 'only.onnx',
      data: 'x.npz',
      norm: 'L2',
      epsilon: '0.5',
      suite: 'quick',
    })
  })

  test('Ctrl-C ends it with 130 and writes nothing', async () => {
    const folder = temporaryFolder()
    expect(await answer(folder, [['Which model', '\u0003']])).toBe(130)
    expect(existsSync(join(folder, 'robustly.config.yaml'))).toBe(false)
  })
})
