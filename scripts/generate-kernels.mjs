// Compiles assembly/kernels.ts with a pinned AssemblyScript, which npx fetches, to src/tensor/kernels.generated.ts.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const source = join(root, 'assembly', 'kernels.ts')
const folder = mkdtempSync(join(tmpdir(), 'kernels-'))
try {
  const out = join(folder, 'kernels.wasm')
  const options = ['-O3', '--runtime', 'stub', '--enable', 'simd', '--importMemory', '--use', 'abort=', '-o', out]
  const { status } = spawnSync('npx', ['--yes', '--package=assemblyscript@0.28.20', 'asc', source, ...options], {
    cwd: folder,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  })
  if (status !== 0) process.exit(status ?? 1)
  const lines = readFileSync(out)
    .toString('base64')
    .match(/.{1,110}/g)
  const hash = createHash('sha256').update(readFileSync(source)).digest('hex')
  const text = `// Generated from assembly/kernels.ts by \`npm run generate:kernels\`. Do not edit.
/** SHA-256 of the source. */
export const source = '${hash}'
/** The WebAssembly module, in base64. */
export const binary =
${lines.map(line => `  '${line}'`).join(' +\n')}
`
  writeFileSync(join(root, 'src', 'tensor', 'kernels.generated.ts'), text)
} finally {
  rmSync(folder, { recursive: true })
}
