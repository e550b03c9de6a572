/** The peers' Python: a virtual environment in the cache, made once and again whenever the pinned versions change. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = 'node_modules/.cache/robustly-peers'
const pins = ['requirements.txt', 'toolkits.txt'].map(name => join('bench', 'peers', name))

/** Path of the environment's Python. Needs `python3` 3.10 to 3.12 with venv, or the one that PYTHON names. */
export function peersPython(): string {
  const python = join(folder, ...(process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']))
  const marker = join(folder, 'installed.txt')
  const wanted = pins.map(path => readFileSync(path, 'utf8')).join('\n')
  if (existsSync(marker) && readFileSync(marker, 'utf8') === wanted) return python
  console.error(`installing the peers into ${folder}: some minutes, some GB`)
  rmSync(folder, { recursive: true, force: true })
  run(process.env.PYTHON ?? 'python3', ['-m', 'venv', folder])
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-cache-dir']
  run(python, [...pip, '-r', pins[0]!])
  run(python, [...pip, '--no-deps', '-r', pins[1]!])
  writeFileSync(marker, wanted)
  return python
}

function run(command: string, args: readonly string[]): void {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 2, 2] })
  if (error !== undefined) throw new Error(`${command} cannot be started: ${error.message}; set PYTHON to a Python 3`)
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with exit code ${status}`)
}
