/** docs/reference/config.md, from the table of options. */
import { z } from 'zod'
import { evaluateOptions } from '../../src/cli/config/evaluate-options.js'
import { configNames } from '../../src/cli/config/load.js'
import { longFlag, type OptionRow, variableOf } from '../../src/cli/config/option.js'
import { code, heading, prose, table } from './markdown.js'

const introduction = `\`robustly evaluate\` takes every option from four places. What is said nearer counts: **flags** before **variables** of the environment before
the **config file** before **defaults**. \`robustly evaluate --print-config\` shows every value with the place it comes from. A suite that is named nearer
replaces attacks that are named further off, and attacks a suite.

## The config file

One of ${configNames.map(code).join(', ')}: the first one found in the working directory or above, up to the root of the
repository (the folder with \`.git\`). Two in one folder are an error. \`--config FILE\` names one, \`--no-config\` reads none. The file that is used is
printed. \`robustly init\` writes one.

\`\`\`yaml
model: model.onnx
data: test.npz
norm: Linf
epsilon: 8/255
attacks:
  - apgd-ce
  - name: square
    options: { queries: 1000 }
samples: 0:1000
outputs: [robustly.json, robustly.html]
\`\`\`

\`\`\`ts
import { defineConfig } from 'robustly'

export default defineConfig({
  model: 'model.onnx',
  data: 'test.npz',
  epsilon: '8/255',
  suite: 'standard',
})
\`\`\`

- Relative paths are seen from the folder of the file; those of flags and variables from the working directory.
- JSON and YAML are data: nothing in them is executed. TypeScript and JavaScript are code and may export a value, a promise or a function: run
  \`robustly\` in a checkout that you do not trust with \`--no-config\`, or with \`--config\` and a file of data.
- An unknown name, a wrong type, a name that is given twice and nesting deeper than any option needs are errors that name the place.
- Editors: \`robustly schema config > robustly.schema.json\`, then \`"$schema": "./robustly.schema.json"\` in the file.

## Variables

Texts as the flag takes them; several values are separated by \`;\`; switches are \`true\` or \`false\`; an empty variable is none. A variable that nearly
names an option is pointed out.

## Options`

export function configDocument(): string {
  const rows: readonly (readonly [string, OptionRow])[] = Object.entries(evaluateOptions)
  const known = rows.filter(([, { callOnly }]) => !callOnly)
  const only = rows.filter(([, { callOnly }]) => callOnly)
  const groups = [...new Set(known.map(([, { group }]) => group))].map(group => {
    const lines = known
      .filter(([, row]) => row.group === group)
      .map(([name, row]) => [
        code(name),
        code(row.flag === undefined ? 'MODEL' : longFlag(row.flag)),
        code(variableOf(name)),
        typeText(row),
        row.default === undefined ? '' : code(String(row.default)),
        prose(row.description),
      ])
    return [
      `### ${group.replace(/:$/, '')}`,
      table(['name', 'flag', 'variable', 'in a file', 'default', ''], lines),
    ].join('\n\n')
  })
  const rest = `On the command line alone: ${only.map(([, { flag }]) => code(flag!)).join(', ')}.`
  return `${[heading('Configuration'), introduction, ...groups, rest].join('\n\n')}\n`
}

interface Property {
  readonly type?: string | readonly string[]
  readonly enum?: readonly string[]
  readonly anyOf?: readonly Property[]
  readonly oneOf?: readonly Property[]
  readonly items?: Property
  readonly prefixItems?: readonly Property[]
}

function typeText(row: OptionRow): string {
  const schema = z.toJSONSchema(row.schema, { io: 'input', unrepresentable: 'any' }) as Property
  return words(schema)
}

function words({ type, enum: values, anyOf, oneOf, items, prefixItems }: Property): string {
  if (values !== undefined) return values.map(code).join(', ')
  const ways = anyOf ?? oneOf
  if (ways !== undefined) return [...new Set(ways.map(words))].join(' or ')
  if (prefixItems !== undefined) return `[${prefixItems.map(words).join(', ')}]`
  if (type === 'array') return `list of ${items === undefined ? 'values' : words(items)}`
  return [type ?? 'value']
    .flat()
    .map(each => named.get(each) ?? each)
    .join(' or ')
}

const named = new Map([
  ['string', 'text'],
  ['integer', 'whole number'],
  ['boolean', 'true or false'],
  ['object', 'names with values'],
])
