/** The program on real terminals, wide, narrow and dumb, and on pipes that close: real processes, `script` for the terminal. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { mnist } from '../../test/support/assets.js'
import { cli, digitModel, mainScript, temporaryFolder } from '../../test/support/digits.js'

const esc = '\u001b'
const evaluation = ['--data', mnist, '--epsilon', '0.05', '--samples', '0:8', '--processes', '1', '--batch', '8']

const hasScript = process.platform === 'linux' && spawnSync('script', ['--version']).status === 0
if (!hasScript) console.warn('script (util-linux) is not installed: behaviour on a terminal is SKIPPED')

describe.skipIf(!hasScript)('on a terminal', () => {
  /** What appears on a terminal of so many columns; both streams. */
  function onTerminal(
    columns: number,
    words: readonly string[],
    variables: Record<string, string>,
    cwd: string,
  ): string {
    const command = [process.execPath, mainScript, ...words].map(word => `'${word}'`).join(' ')
    const { stdout, status } = spawnSync('script', ['-qec', `stty cols ${columns}; ${command}`, '/dev/null'], {
      cwd,
      encoding: 'utf8',
      env: { PATH: process.env.PATH, LANG: 'C.UTF-8', TERM: 'xterm', ...variables },
    })
    expect(status, stdout).toBe(0)
    return stdout.replaceAll('\r\n', '\n')
  }

  const evaluate = async (columns: number, variables: Record<string, string> = {}) => {
    const folder = temporaryFolder()
    await digitModel(folder)
    return onTerminal(columns, ['evaluate', 'digits.onnx', ...evaluation], variables, folder)
  }

  test('colour and a line that is redrawn', async () => {
    const text = await evaluate(80)
    expect(text).toContain(`${esc}[1m`)
    expect(text).toMatch(/\r.*8\/8/)
  })

  test('20 columns: what is redrawn fits into one line', async () => {
    const text = await evaluate(20)
    const redrawn = text
      .split('\n')
      .flatMap(line => line.split('\r').slice(1))
      .map(line => line.replace(`${esc}[2K`, ''))
    expect(redrawn.filter(line => line !== '').length).toBeGreaterThan(0)
    for (const line of redrawn) expect(line.length).toBeLessThan(20)
    expect(text).toMatch(/Robust accuracy/)
  })

  test('a dumb terminal: no escapes, nothing redrawn, ASCII', async () => {
    const text = await evaluate(80, { TERM: 'dumb' })
    expect(text).not.toContain(esc)
    expect(text).not.toContain('\r')
    expect(text).toMatch(/^8\/8 /m)
    expect([...text].every(letter => letter < '\u007f')).toBe(true)
  })

  test('NO_COLOR: no colour, the line is still redrawn; CI: not even that', async () => {
    const plain = await evaluate(80, { NO_COLOR: '1' })
    expect(plain.replaceAll(`${esc}[2K`, '')).not.toContain(esc)
    expect(plain).toMatch(/\r.*8\/8/)
    const ci = await evaluate(80, { NO_COLOR: '1', CI: 'true' })
    expect(ci).not.toContain(esc)
    expect(ci).not.toContain('\r')
  })
})

describe('on a pipe', () => {
  const folder = join(mainScript, '..', '..', '..', 'examples', 'models')
  const inspect = (env: Record<string, string>) => cli(['inspect', 'mnist-mlp.onnx'], { cwd: folder, env })

  test('no colour, unless FORCE_COLOR asks for it', async () => {
    const [plain, forced, zero] = await Promise.all([
      inspect({ TERM: 'xterm' }),
      inspect({ FORCE_COLOR: '1' }),
      inspect({ FORCE_COLOR: '0' }),
    ])
    expect(plain.stdout).not.toContain(esc)
    expect(forced.stdout).toContain(`${esc}[2m`)
    expect(zero.stdout).not.toContain(esc)
  })

  test.skipIf(process.platform === 'win32').each([
    ['evaluate --help', 'head -n 1', 'Examples:'],
    ['completion bash', 'head -n 1', '# Completion'],
    ['evaluate --print-config --no-config', 'head -c 4', 'norm'],
    ['inspect mnist-mlp.onnx', 'true', ''],
    ['inspect mnist-mlp.onnx --json', 'head -c 1', '{'],
  ])('%s | %s: ends well and says nothing', (words, reader, said) => {
    const call = `'${process.execPath}' '${mainScript}' ${words} | ${reader}; echo "[\${PIPESTATUS[0]}]"`
    const { stdout, stderr } = spawnSync('bash', ['-c', call], { cwd: folder, encoding: 'utf8' })
    expect(stdout).toContain(said)
    expect(stdout).toMatch(/\[0\]\n$/)
    expect(stderr).toBe('')
  })

  test.skipIf(process.platform === 'win32')('closed streams are no error', () => {
    for (const closed of ['>&-', '2>&-', '<&-']) {
      const call = `'${process.execPath}' '${mainScript}' inspect mnist-mlp.onnx ${closed}`
      const { status, stderr } = spawnSync('bash', ['-c', call], { cwd: folder, encoding: 'utf8' })
      expect({ closed, status, stderr }).toEqual({ closed, status: 0, stderr: '' })
    }
  })

  test.skipIf(!existsSync('/dev/full'))(
    'results that a full disk does not take are an error, no trace of calls',
    () => {
      const call = `'${process.execPath}' '${mainScript}' inspect mnist-mlp.onnx >/dev/full`
      const { status, stderr } = spawnSync('bash', ['-c', call], { cwd: folder, encoding: 'utf8' })
      expect({ status, stderr }).toEqual({
        status: 4,
        stderr: expect.stringMatching(/^error: the results cannot be written: ENOSPC[^\n]*\n$/),
      })
    },
  )
})
