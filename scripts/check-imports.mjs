// The import rules of the source tree: folders import downwards only, one folder knows ONNX Runtime, few know Node.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

/** From the bottom up: a folder may import from itself and from the ones before it. */
const order = [
  'tensor',
  'onnx',
  'autodiff',
  'runtime',
  'model',
  'data',
  'threat',
  'attacks',
  'evaluate',
  'diagnose',
  'certify',
  'defend',
  'report',
  'jobs',
  'server',
  'cli',
]
/** Files of src/ itself that everybody may import. */
const shared = new Set(['errors.ts', 'random.ts', 'printable.ts'])
/** Folders that may use Node's own modules; the rest also runs in a browser. */
const onNode = new Set(['runtime', 'data', 'evaluate', 'defend', 'report', 'jobs', 'server', 'cli'])

const source = join(dirname(dirname(fileURLToPath(import.meta.url))), 'src')
const problems = []
for (const file of readdirSync(source, { recursive: true }).map(String)) {
  if (!file.endsWith('.ts') || /\.(test|rows)\.ts$/.test(file)) continue
  const path = join(source, file)
  const folder = file.includes(sep) ? file.split(sep)[0] : undefined
  if (folder !== undefined && !order.includes(folder))
    problems.push(`${file}: the folder ${folder} has no place in the order`)
  for (const { fileName } of ts.preProcessFile(readFileSync(path, 'utf8')).importedFiles)
    check(file, folder, path, fileName)
}

function check(file, folder, path, wanted) {
  if (/^onnxruntime-/.test(wanted) && folder !== 'runtime')
    problems.push(`${file} imports ${wanted}: only runtime/ may`)
  if (wanted.startsWith('node:') && !(folder === undefined ? file === 'index.ts' : onNode.has(folder))) {
    problems.push(`${file} imports ${wanted}: ${folder ?? file} also runs in a browser`)
  }
  if (!wanted.startsWith('.')) return
  const target = relative(source, resolve(dirname(path), wanted))
  if (target.startsWith('..')) return void problems.push(`${file} imports ${wanted}, outside of src/`)
  const to = target.includes(sep) ? target.split(sep)[0] : undefined
  if (folder === undefined) return
  if (to === undefined) {
    if (!shared.has(target.replace(/\.js$/, '.ts'))) problems.push(`${file} imports ${wanted}: that file is not shared`)
  } else if (order.indexOf(to) > order.indexOf(folder)) {
    problems.push(`${file} imports ${wanted}: ${to}/ is above ${folder}/`)
  }
}

for (const problem of problems) console.error(problem)
console.error(problems.length === 0 ? 'import direction: fine' : `import direction: ${problems.length} problems`)
process.exitCode = problems.length === 0 ? 0 : 1
