/** The composite action: its script, run as a runner would, and what must not be in it. */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { marker } from '../src/report/markdown.js'
import { mnist } from './support/assets.js'
import { digitModel, mainScript, temporaryFolder } from './support/digits.js'

const text = (name: string) => readFileSync(fileURLToPath(new URL(`../${name}`, import.meta.url)), 'utf8')

interface Step {
  readonly id?: string
  readonly uses?: string
  readonly env?: Readonly<Record<string, string>>
  readonly run?: string
  readonly with?: Readonly<Record<string, unknown>>
}
const action = parse(text('action.yml')) as {
  readonly inputs: Readonly<Record<string, { readonly required?: boolean; readonly default?: string }>>
  readonly outputs: Readonly<Record<string, { readonly value: string }>>
  readonly runs: { readonly steps: readonly Step[] }
}
const [evaluate, , comment] = action.runs.steps

test('no input becomes part of a script', () => {
  for (const { run } of action.runs.steps) expect(run ?? '').not.toContain('${{')
  expect(comment!.run).toContain(`marker='${marker}'`)
})

test('every input is used, and the example gives none that is unknown', () => {
  const source = text('action.yml')
  for (const name of Object.keys(action.inputs)) expect(source).toContain(`inputs.${name}`)
  const workflow = parse(text('.github/workflows/robustness.yml')) as {
    jobs: { robustness: { steps: readonly Step[] } }
  }
  const given = workflow.jobs.robustness.steps.find(({ uses }) => uses === './')!.with!
  expect(Object.keys(action.inputs)).toEqual(expect.arrayContaining(Object.keys(given)))
  for (const [name, { required }] of Object.entries(action.inputs)) if (required) expect(given).toHaveProperty(name)
})

function runAction(folder: string, inputs: Readonly<Record<string, string>>) {
  const given = (name: string) => inputs[name] ?? action.inputs[name]!.default ?? ''
  const env = Object.fromEntries(
    Object.entries(evaluate!.env!).map(([name, value]) => [name, given(/inputs\.(\w+)/.exec(value)![1]!)]),
  )
  const runner = {
    RUNNER_TEMP: folder,
    GITHUB_OUTPUT: join(folder, 'output'),
    GITHUB_STEP_SUMMARY: join(folder, 'summary'),
  }
  writeFileSync(runner.GITHUB_OUTPUT, '')
  const { status, stderr } = spawnSync('bash', ['-e', '-c', evaluate!.run!], {
    cwd: folder,
    env: { PATH: process.env.PATH, LANG: 'C.UTF-8', GITHUB_ACTIONS: 'true', ...runner, ...env },
    encoding: 'utf8',
  })
  const output = Object.fromEntries(
    readFileSync(runner.GITHUB_OUTPUT, 'utf8')
      .trimEnd()
      .split('\n')
      .map(line => line.split(/=(.*)/s).slice(0, 2) as [string, string]),
  )
  return { status, stderr, output }
}

test.skipIf(process.platform === 'win32')(
  'the script: outputs, files, summary, and the exit code of the gate',
  async () => {
    const folder = temporaryFolder()
    await digitModel(folder, undefined, 'a model; touch hacked')
    const inputs = {
      model: 'a model; touch hacked.onnx',
      data: mnist,
      epsilon: '0.05',
      samples: '0:20',
      requirements: '\nstandard >= 0.1\n  robust >= 0.99\n',
      arguments: '--processes\n1\n--quiet\n',
      command: `${process.execPath} ${mainScript}`,
    }
    const missed = runAction(folder, inputs)
    expect(missed.status, missed.stderr).toBe(1)
    expect(missed.output).toMatchObject({ passed: 'false', 'robust-accuracy': expect.stringMatching(/^[01](\.\d+)?$/) })
    expect(missed.stderr).toMatch(/^::error title=Requirement::robust >= 0\.99/m)
    for (const name of [
      'result.json',
      'report.html',
      'results.junit.xml',
      'results.sarif',
      'comment.md',
      'results.csv',
    ]) {
      expect(readFileSync(join(missed.output.folder!, name), 'utf8').length).toBeGreaterThan(100)
    }
    expect(readFileSync(join(folder, 'summary'), 'utf8')).toContain(marker)
    const met = runAction(folder, { ...inputs, requirements: '' })
    expect(met).toMatchObject({ status: 0, output: { passed: 'true' } })
    expect(runAction(folder, { ...inputs, epsilon: '1/0' })).toMatchObject({ status: 2, output: { passed: 'false' } })
  },
)
