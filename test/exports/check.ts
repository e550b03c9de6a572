/**
 * `npm run check:exports [-- FOLDER …]`: every exported model of the folders (default: test/exports/models) through what a
 * user's model goes through, as a table. Exit code 1 when one does not pass.
 */
import { readdirSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { type Checked, checkExport } from '../support/exported.js'
import { complaints, oracleOf } from './expected.js'

const given = process.argv.slice(2)
const folders = given.length > 0 ? given.map(folder => resolve(folder)) : [resolve('test/exports/models')]
const files = folders.flatMap(folder =>
  readdirSync(folder)
    .filter(name => name.endsWith('.onnx'))
    .toSorted()
    .map(name => join(folder, name)),
)
const width = Math.max(...files.map(file => basename(file).length))
const columns = ['nodes', 'differences', 'framework', 'epsilon', 'noise', 'PGD']
console.log(`${''.padEnd(width)}  ${columns.map(name => name.padStart(11)).join('  ')}`)
let failed = 0
for (const file of files) {
  const name = basename(file).padEnd(width)
  try {
    const checked = await checkExport(file, oracleOf(file))
    const wrong = complaints(checked)
    if (wrong.length > 0) failed++
    console.log(`${name}  ${cells(checked).join('  ')}${wrong.length > 0 ? `  FAILED: ${wrong.join('; ')}` : ''}`)
  } catch (error) {
    failed++
    console.log(`${name}  FAILED: ${error instanceof Error ? error.message : String(error)}`)
  }
}
console.log(`${files.length - failed} of ${files.length} pass`)
process.exitCode = failed === 0 ? 0 : 1

function cells({ facts, gradients }: Checked): string[] {
  const nodes = facts.operators.reduce((sum, { count }) => sum + count, 0)
  if (gradients === undefined) return [`${nodes}`.padStart(11), facts.blackBox ?? 'no gradient']
  const { differences, framework, fooled } = gradients
  const values = [
    `${nodes}`,
    differences === undefined ? 'surrogate' : differences.toExponential(1),
    framework === undefined ? '-' : framework.gradients.toExponential(1),
    fooled.epsilon === undefined ? 'none' : `${Math.round(fooled.epsilon * 255)}/255`,
    fooled.noise.toFixed(2),
    fooled.pgd.toFixed(2),
  ]
  return values.map(value => value.padStart(11))
}
