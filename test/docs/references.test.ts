/** The generated references are what the tables say. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { references } from '../../bench/references/documents.js'
import { commands } from '../../src/cli/commands/index.js'
import { evaluateOptions } from '../../src/cli/config/evaluate-options.js'
import { operators } from '../../src/onnx/operators.js'

it.each(Object.entries(references))('%s is what `npm run docs` writes', (path, text) => {
  expect(readFileSync(path, 'utf8')).toBe(text())
})

it('every command, option and operator is there', () => {
  const [cli, config, list] = ['docs/reference/cli.md', 'docs/reference/config.md', 'docs/operators.md'].map(path =>
    references[path]!(),
  )
  for (const { name } of commands) expect(cli).toContain(`\n## ${name}\n`)
  for (const name of Object.keys(evaluateOptions)) {
    if (!['json', 'resume', 'force', 'quiet'].includes(name)) expect(config).toContain(`| \`${name}\` |`)
  }
  for (const name of Object.keys(operators)) expect(list).toContain(`| \`${name}\` |`)
})
