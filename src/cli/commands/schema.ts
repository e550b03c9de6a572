/** `robustly schema`: the JSON Schemas of what this program writes and reads. */
import { Argument } from 'commander'
import { z } from 'zod'
import { resultSchema } from '../../report/schema.js'
import { configJsonSchema } from '../config/schema.js'
import type { CommandEntry } from './command.js'

const schemas: Readonly<Record<string, () => object>> = {
  result: () => ({ title: 'Result of robustly evaluate', ...z.toJSONSchema(resultSchema) }),
  config: configJsonSchema,
}

export const schema: CommandEntry = {
  name: 'schema',
  summary: 'print the JSON Schema of result.json or of config files',
  examples: ['robustly schema result', 'robustly schema config > robustly.schema.json'],
  define(command, act, environment) {
    command
      .addArgument(new Argument('[what]', 'which schema').choices(Object.keys(schemas)).default('result'))
      .action((what: string) =>
        act(async () => {
          environment.stdout.write(`${JSON.stringify(schemas[what]!(), null, 2)}\n`)
          return 0
        }),
      )
  },
}
