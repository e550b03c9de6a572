/** Completion, by the shells themselves. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { mainScript, temporaryFolder } from '../../../test/support/digits.js'
import { attacks } from '../../attacks/index.js'
import { commands } from './index.js'

const names = commands.map(({ name }) => name)
const isThere = (shell: string) => spawnSync(shell, ['-c', 'true']).status === 0
for (const shell of ['bash', 'zsh', 'fish'])
  if (!isThere(shell)) console.warn(`${shell} is not installed: its completion is SKIPPED`)

const script = (shell: string) =>
  execFileSync(process.execPath, [mainScript, 'completion', shell], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })

/** The script in a file of a fresh folder, which holds some files to complete. */
function prepared(shell: string): { folder: string; file: string } {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'models'))
  writeFileSync(join(folder, 'models', 'a.onnx'), '')
  const file = join(folder, '_robustly')
  writeFileSync(file, script(shell))
  return { folder, file }
}

describe.skipIf(!isThere('bash'))('bash', () => {
  let text = ''
  beforeAll(() => {
    text = script('bash')
  })

  /** What bash offers for the last of the words. */
  function offered(...words: string[]): string[] {
    const call = `${text}
COMP_WORDS=(robustly ${words.map(word => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _robustly; printf '%s\\n' "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['-c', call], { encoding: 'utf8' }).split('\n').filter(Boolean).sort()
  }

  test('is registered by sourcing it', () => {
    const call = `source <('${process.execPath}' '${mainScript}' completion bash); complete -p robustly`
    const line = execFileSync('bash', ['-c', call], { encoding: 'utf8' })
    expect(line).toContain('-F _robustly robustly')
    expect(line).toContain('default')
  })

  test('commands, options, values; nothing where a file belongs', () => {
    expect(offered('')).toEqual([...names].sort())
    expect(offered('eva')).toEqual(['evaluate'])
    expect(offered('evaluate', '--surr')).toEqual(['--surrogate', '--surrogate-gradients'])
    expect(offered('evaluate', 'm.onnx', '--layout', '')).toEqual(['NCHW', 'NHWC'])
    expect(offered('evaluate', '--attack', '')).toEqual([...attacks.keys()].sort())
    expect(offered('evaluate', '--attack', 'apgd-d')).toEqual(['apgd-dlr'])
    expect(offered('evaluate', '--suite', 'st')).toEqual(['standard'])
    expect(offered('evaluate', '-o', '')).toEqual([])
    expect(offered('evaluate', '--data', '--')).toEqual([])
    expect(offered('completion', '')).toEqual(['bash', 'fish', 'zsh'])
    expect(offered('nothing', '--')).toEqual([])
  })
})

describe.skipIf(!isThere('fish'))('fish', () => {
  test('commands, options with descriptions, values, files', () => {
    const { folder, file } = prepared('fish')
    const offered = (line: string) =>
      execFileSync('fish', ['-N', '-c', `source '${file}'; complete -C '${line}'`], {
        cwd: folder,
        encoding: 'utf8',
        env: { ...process.env, HOME: folder },
      })
        .split('\n')
        .filter(Boolean)
    const words = (line: string) => offered(line).map(each => each.split('\t')[0]!)
    expect(words('robustly ').sort()).toEqual([...names].sort())
    expect(offered('robustly evaluate --eps')).toEqual([expect.stringMatching(/^--epsilon\thow far/)])
    expect(words('robustly evaluate --layout ')).toEqual(['NCHW', 'NHWC'])
    expect(words('robustly evaluate mod')).toEqual(['models/'])
    expect(words('robustly completion ').sort()).toEqual(['bash', 'fish', 'zsh'])
  })
})

describe.skipIf(!isThere('zsh'))('zsh', () => {
  test('registers itself, and asks for the right things', () => {
    const { folder, file } = prepared('zsh')
    // Completion itself needs a line editor; these stand for it and say what they were asked for.
    const call = `compdef() { print "compdef $*" }; _describe() { print -l "\${commands[@]}" }; _arguments() { print -l "$CURRENT" "$@" }
source '${file}'
words=(robustly ''); CURRENT=2; _robustly
words=(robustly evaluate --layout ''); CURRENT=4; _robustly`
    const said = execFileSync('zsh', ['-f', '-c', call], { cwd: folder, encoding: 'utf8' })
    expect(said).toContain('compdef _robustly robustly\n')
    for (const name of names) expect(said).toMatch(new RegExp(`^${name}:\\S`, 'm'))
    expect(said).toMatch(/^3\n/m)
    expect(said).toContain('*--layout[what the model takes]:value:(NCHW NHWC)\n')
    expect(said).toMatch(/^\*-o\[write .*\]:value:_files$/m)
  })
})
