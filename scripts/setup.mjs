// Makes a fresh clone ready with only Node and npm: installs what package-lock.json lists when it is not there, builds the program
// and the page of its HTML report.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const installed = join(root, 'node_modules', '.package-lock.json')
const lock = join(root, 'package-lock.json')

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
  // Without this, ONNX Runtime's install script downloads GPU libraries and fails where it cannot.
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error']
  const skip = { ONNXRUNTIME_NODE_INSTALL: 'skip' }
  // `npm ci` insists on an entry for every platform's optional package, which some registries do not have.
  if (status('npm', ['ci', ...quiet], skip) !== 0) run('npm', ['install', '--no-save', ...quiet], skip)
}
run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json'])
buildPage()

/** Unless nothing that goes into it is newer. */
function buildPage() {
  const template = join(root, 'dist', 'report', 'html', 'template.html')
  const times = path => (existsSync(path) ? statSync(path).mtimeMs : 0)
  const inputs = ['web', join('src', 'report'), join('src', 'evaluate')].flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true }).map(name => join(root, folder, String(name))),
  )
  if ([...inputs, lock].every(path => times(path) < times(template))) return
  run(process.execPath, [join(root, 'node_modules', 'vite', 'bin', 'vite.js'), 'build', '-c', 'web/vite.config.ts'])
  copyFileSync(join(root, 'node_modules', '.cache', 'robustly-web', 'index.html'), template)
}

function run(command, args, environment) {
  const code = status(command, args, environment)
  if (code !== 0) process.exit(code)
}

function status(command, args, environment = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ...environment },
    shell: process.platform === 'win32',
  })
  if (error !== undefined) throw error
  return status ?? 1
}
