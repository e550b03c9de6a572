/** Config files, variables and flags: what is read, what is refused, and which of them counts. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cli, temporaryFolder } from '../../../test/support/digits.js'
import type { EvaluateOptions } from '../../jobs/evaluate.js'
import { defineConfig } from './define.js'
import { type EvaluateTable, evaluateOptions } from './evaluate-options.js'
import { parseJson } from './json.js'
import { configNames, findConfig, loadConfig } from './load.js'
import { attributeOf, type OptionRow, variableOf } from './option.js'
import { resolveOptions } from './resolve.js'
import { checkConfig, configJsonSchema } from './schema.js'
import { editDistance, nearest } from './suggest.js'

const rows: readonly (readonly [string, OptionRow])[] = Object.entries(evaluateOptions)

/** A folder with one file, which findConfig takes for the root of a repository. */
function folderWith(name: string, text: string): string {
  const folder = temporaryFolder()
  mkdirSync(join(folder, '.git'))
  writeFileSync(join(folder, name), text)
  return folder
}

const load = (name: string, text: string) => loadConfig(join(folderWith(name, text), name))

describe('the table', () => {
  test('names are those of the flags, as a noun in the plural where a flag may be repeated', () => {
    for (const [name, { flag, repeatable }] of rows) {
      if (flag === undefined) continue
      const singular = flag.includes('--require <') ? 'requirement' : attributeOf(flag)
      expect(name).toBe(`${singular}${repeatable ? 's' : ''}`)
    }
  })

  test('the library has the same names; its own are those of a program, not of a person', () => {
    const own: Record<Exclude<keyof EvaluateOptions, keyof EvaluateTable>, true> = {
      service: true,
      onEvent: true,
      signal: true,
    }
    expect(Object.keys(own).filter(name => name in evaluateOptions)).toEqual([])
  })

  test('variables are told apart, and no two options share a flag', () => {
    expect(new Set(rows.map(([name]) => variableOf(name))).size).toBe(rows.length)
    expect(new Set(rows.map(([, { flag }]) => flag)).size).toBe(rows.length)
    expect(variableOf('queryBudget')).toBe('ROBUSTLY_QUERY_BUDGET')
  })

  test('defaults and what replaces what are of the table', () => {
    for (const [, row] of rows) {
      if (row.default !== undefined) expect(row.schema.parse(row.default)).toEqual(row.default)
      if (row.replaces !== undefined) expect(evaluateOptions).toHaveProperty(row.replaces)
    }
  })
})

describe('a config file', () => {
  const settings = {
    epsilon: '8/255',
    norm: 'L2',
    attacks: [
      { name: 'pgd', options: { steps: 3 } },
      { name: 'square', options: { queries: 10 } },
    ],
    samples: [0, 10],
    memoryLimit: 2e9,
    mean: [0.5],
    box: null,
  }
  const object = `{ "epsilon": "8/255", "norm": "L2", "attacks": ["pgd:steps=3", { "name": "square", "options": { "queries": 10 } }],
    "samples": "0:10", "memoryLimit": "2GB", "mean": 0.5, "box": "none" }`
  const yaml = `epsilon: 8/255
norm: L2
attacks:
  - pgd:steps=3
  - { name: square, options: { queries: 10 } }
samples: 0:10
memoryLimit: 2GB
mean: 0.5
box: none
`
  test.each([
    ['.json', object],
    ['.jsonc', object.replace('{', '{ // what is asked\n /* "norm": "L1", */').replace(/ \}$/, ', }')],
    ['.yaml', yaml],
    ['.yml', yaml],
    ['.js', `export default ${object}`],
    ['.mjs', `export default async () => (${object})`],
    [
      '.ts',
      `import { defineConfig, type Config } from 'robustly'\nconst config: Config = ${object}\nexport default defineConfig(config)`,
    ],
    ['.mts', `export default ${object} satisfies object`],
  ])('%s', async (ending, text) => {
    expect(await load(`robustly.config${ending}`, text)).toEqual(settings)
  })

  test('every ending is in this test', () => expect(configNames).toHaveLength(8))

  test('what defineConfig takes is what a file may hold', () => {
    const config = defineConfig({ epsilon: 0.3, samples: [0, 5], attacks: ['pgd'], surrogateGradients: 'off' })
    expect(checkConfig(config, 'x').epsilon).toBe('0.3')
  })

  test('relative paths are seen from its folder; addresses and - stay', async () => {
    const folder = folderWith(
      'robustly.config.json',
      '{"model": "m.onnx", "data": "../d.npz:test", "outputs": ["-", "a.md"]}',
    )
    const { model, data, outputs } = await loadConfig(join(folder, 'robustly.config.json'))
    expect({ model, data, outputs }).toEqual({
      model: join(folder, 'm.onnx'),
      data: join(folder, '..', 'd.npz:test'),
      outputs: ['-', join(folder, 'a.md')],
    })
    expect(await load('a.json', '{"model": "https://host/m"}')).toEqual({ model: 'https://host/m' })
    const own = { mean: [0.5, 0.4], layout: 'NHWC' }
    const named = folderWith(
      'a.yaml',
      'surrogates: [s.onnx, { model: t.onnx, mean: "0.5,0.4", layout: NHWC }, "u.onnx:mean=0.5,0.4,layout=NHWC"]',
    )
    expect(await loadConfig(join(named, 'a.yaml'))).toEqual({
      surrogates: [
        join(named, 's.onnx'),
        { model: join(named, 't.onnx'), ...own },
        { model: join(named, 'u.onnx'), ...own },
      ],
    })
  })
})

describe('is refused with what is wrong', () => {
  const deep = '['.repeat(200_000)
  test.each([
    ['an unknown key', 'a.json', '{"epsilom": 1}', /epsilom is no option; did you mean epsilon\?/],
    ['a flag in place of the name', 'a.yaml', 'memory-limit: 2GB', /did you mean memoryLimit\?/],
    ['the name in the singular', 'a.yaml', 'attack: [pgd]', /did you mean attacks\?/],
    ['an option of the command line', 'a.json', '{"resume": true}', /resume belongs on the command line \(--resume\)/],
    ['a wrong type', 'a.json', '{"seed": "x"}', /seed: expected number, received string/],
    [
      'an unknown key of a surrogate',
      'a.yaml',
      'surrogates: [{ model: s.onnx, means: 0 }]',
      /surrogates\[0\]\.means is no option; did you mean mean\?/,
    ],
    ['a wrong key behind a surrogate', 'a.yaml', 'surrogates: ["s.onnx:means=0"]', /Unrecognized key: "means"/],
    ['a surrogate without a model', 'a.yaml', 'surrogates: [{ mean: 0 }]', /surrogates\[0\]\.model: expected string/],
    ['a wrong type inside', 'a.json', '{"attacks": ["pgd", {"name": 1}]}', /attacks\[1\]\.name: expected string/],
    [
      'an unknown key inside',
      'a.json',
      '{"attacks": [{"name": "pgd", "steps": 1}]}',
      /attacks\[0\]\.steps is no option/,
    ],
    [
      'a mistyped key inside',
      'a.yaml',
      'attacks: [{ name: pgd, optoins: {} }]',
      /attacks\[0\]\.optoins is no option; did you mean options\?/,
    ],
    ['a text that says nothing', 'a.json', '{"samples": "all"}', /samples: expected START:END .* got "all"/],
    ['another kind of value', 'a.json', '{"mean": true}', /mean: expected number or array or string, got true/],
    ['epsilon below zero', 'a.yaml', 'epsilon: -1', /epsilon is "-1"/],
    ['epsilon by zero', 'a.yaml', 'epsilon: 8/0', /epsilon is "8\/0"/],
    ['epsilon as NaN', 'a.yaml', 'epsilon: .nan', /epsilon: expected number/],
    ['a norm that there is not', 'a.yaml', 'norm: L3', /norm: expected one of .* got "L3"/],
    ['a description of an endpoint', 'a.yaml', 'endpoint: 3', /endpoint: expected string or object, got 3/],
    [
      'a protocol nobody speaks',
      'a.yaml',
      'endpoint: { protocol: grpc }',
      /endpoint\.protocol: expected v2 or json, got "grpc"/,
    ],
    [
      'an unknown key of an endpoint',
      'a.yaml',
      'endpoint: { protocol: v2, kinds: labels }',
      /endpoint\.kinds is no option; did you mean kind\?/,
    ],
    ['a limit of endpoints', 'a.yaml', 'queryBudget: 0', /queryBudget: .*>=1, got 0/],
    ['a list', 'a.json', '[]', /expected options by their names, got an array/],
    ['nothing', 'a.yaml', '', /got null/],
    ['__proto__', 'a.json', '{"__proto__": {"model": "x"}}', /__proto__ is no option/],
    ['__proto__ in YAML', 'a.yaml', '__proto__: { model: x }', /__proto__ is no option/],
    ['names given twice', 'a.json', '{"seed": 1, "seed": 2}', /line 1, column \d+: "seed" is given twice/],
    ['names given twice in YAML', 'a.yaml', 'seed: 1\nseed: 2', /must be unique at line 2/],
    ['comments in JSON', 'a.json', '{} // x', /expected the end/],
    ['nesting without end', 'a.json', deep, /nested deeper than 32/],
    ['nesting without end in YAML', 'a.yaml', deep, /nested deeper than 32/],
    [
      'a bomb of aliases',
      'a.yaml',
      'a: &a [x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c]',
      /alias/,
    ],
    ['a tag of a language', 'a.yaml', 'model: !!js/function "x"', /Unresolved tag/],
    ['a merge key', 'a.yaml', '<<: { seed: 1 }', /<< is no option/],
    ['a file without end', 'a.json', ' '.repeat(2 ** 20 + 1), /too many/],
    ['an ending that is none', 'a.toml', '', /no config file by its ending/],
    ['code that throws', 'a.mjs', 'throw new Error("no luck")', /no luck/],
    ['code that is none', 'a.ts', 'export default {{', /a\.ts/],
    ['control characters', 'a.json', '{"\\u001b[31mred": 1}', /: red is no option/],
  ])('%s', async (_, name, text, message) => {
    await expect(load(name, text)).rejects.toMatchObject({ code: 'config', message: expect.stringMatching(message) })
  })

  test('every mistake at once', async () => {
    await expect(load('a.json', '{"epsilom": 1, "seed": -1}')).rejects.toThrow(/seed: .*; epsilom is no option/)
  })

  test('a file that is not there', async () => {
    await expect(loadConfig('nowhere.json')).rejects.toMatchObject({ code: 'config' })
  })
})

describe('JSON of strangers', () => {
  test('is what JSON.parse reads', () => {
    const check = (value: unknown) => {
      for (const text of [JSON.stringify(value), JSON.stringify(value, null, '\t')]) {
        expect(parseJson(text)).toEqual(JSON.parse(text))
        expect(parseJson(text, { comments: true })).toEqual(JSON.parse(text))
      }
    }
    fc.assert(fc.property(fc.jsonValue({ maxDepth: 8 }), check))
  })

  test('any text: a value that JSON.parse gives too, or a SyntaxError', () => {
    const piece = fc.constantFrom('{', '}', '[', ']', ',', ':', '"a"', '"\\', '1', '-', 'true', ' ', '//', '/*', '\n')
    const check = (pieces: readonly string[]) => {
      const text = pieces.join('')
      let value: unknown
      try {
        value = parseJson(text)
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError)
        return
      }
      expect(value).toEqual(JSON.parse(text))
    }
    fc.assert(fc.property(fc.array(piece, { maxLength: 12 }), check))
  })
})

test('suggestions: a metric, and nothing for what is far', () => {
  const word = fc.string({ maxLength: 8 })
  fc.assert(
    fc.property(word, word, word, (a, b, c) => {
      expect(editDistance(a, b)).toBe(editDistance(b, a))
      expect(editDistance(a, c)).toBeLessThanOrEqual(editDistance(a, b) + editDistance(b, c))
      expect(editDistance(a, b) === 0).toBe(a === b)
    }),
  )
  expect(nearest('querybudget', ['queryBudget', 'quiet'])).toBe('queryBudget')
  expect(nearest('colour', ['epsilon', 'box'])).toBeUndefined()
})

test('is looked for upwards, as far as the repository goes', () => {
  const folder = folderWith('robustly.config.yaml', 'seed: 1')
  mkdirSync(join(folder, 'a', 'b'), { recursive: true })
  expect(findConfig(join(folder, 'a', 'b'))).toBe(join(folder, 'robustly.config.yaml'))
  mkdirSync(join(folder, 'a', '.git'))
  expect(findConfig(join(folder, 'a', 'b'))).toBeUndefined()
  writeFileSync(join(folder, 'robustly.config.json'), '{}')
  expect(() => findConfig(folder)).toThrow(/robustly\.config\.json and robustly\.config\.yaml lie side by side/)
})

describe('flags before environment before config before defaults', () => {
  const resolve = (flags: object, variables: Record<string, string>, file: object) => {
    const folder = folderWith('c.json', JSON.stringify(file))
    return resolveOptions(flags, { config: join(folder, 'c.json'), variables })
  }

  test('any mixture', async () => {
    const seed = fc.option(fc.nat(), { nil: undefined })
    const check = async (flag: number | undefined, variable: number | undefined, file: number | undefined) => {
      const { settings, origins } = await resolve(
        flag === undefined ? {} : { seed: flag },
        variable === undefined ? {} : { ROBUSTLY_SEED: String(variable) },
        file === undefined ? {} : { seed: file },
      )
      expect(settings.seed).toBe(flag ?? variable ?? file ?? 0)
      const from =
        flag !== undefined
          ? /^flag/
          : variable !== undefined
            ? /^environment/
            : file !== undefined
              ? /^config/
              : /^default/
      expect(origins.get('seed')).toMatch(from)
    }
    await fc.assert(fc.asyncProperty(seed, seed, seed, check), { numRuns: 30 })
  })

  test('attacks replace a suite of lesser places, and a suite attacks', async () => {
    const file = { suite: 'standard' }
    const { settings, origins } = await resolve({ attacks: [{ name: 'pgd', options: {} }] }, {}, file)
    expect(settings.suite).toBeUndefined()
    expect(origins.has('suite')).toBe(false)
    expect((await resolve({ suite: 'quick' }, {}, { attacks: ['pgd'] })).settings.attacks).toBeUndefined()
    expect((await resolve({}, {}, { attacks: ['pgd'], suite: 'quick' })).settings).toMatchObject({ suite: 'quick' })
  })

  test('variables are read as flags are', async () => {
    const variables = {
      ROBUSTLY_ATTACKS: 'pgd:steps=3; square',
      ROBUSTLY_ALLOW_PRIVATE: 'true',
      ROBUSTLY_INDIVIDUAL: '0',
      ROBUSTLY_BOX: '0:2',
      ROBUSTLY_SURROGATES: 'a.onnx; C:\\b.onnx:mean=0.5,std=0.2,0.3,scale=255,channels=bgr',
      ROBUSTLY_EPSILON: '',
    }
    const { settings } = await resolve({}, variables, { epsilon: 1 })
    expect(settings).toMatchObject({
      attacks: [
        { name: 'pgd', options: { steps: 3 } },
        { name: 'square', options: {} },
      ],
      allowPrivate: true,
      individual: false,
      box: [0, 2],
      surrogates: ['a.onnx', { model: 'C:\\b.onnx', mean: [0.5], std: [0.2, 0.3], scale: 255, channels: 'bgr' }],
      epsilon: '1',
    })
    for (const [name, text] of [
      ['ROBUSTLY_SEED', 'x'],
      ['ROBUSTLY_LAYOUT', 'HWC'],
      ['ROBUSTLY_SURROGATES', 'a.onnx:layout=HWC'],
      ['ROBUSTLY_INDIVIDUAL', 'maybe'],
      ['ROBUSTLY_QUERY_BUDGET', '-1'],
    ] as const) {
      await expect(resolve({}, { [name]: text }, {})).rejects.toThrow(`the variable ${name} is "${text}"`)
    }
    const { notices } = await resolve({}, { ROBUSTLY_EPSILOM: '1', ROBUSTLY_SOMETHING_ELSE: '1' }, {})
    expect(notices).toEqual([expect.stringContaining('did you mean ROBUSTLY_EPSILON?')])
  })
})

test('the schema for editors accepts what is accepted, and refuses what is refused', () => {
  const validate = new Ajv2020({ allErrors: true, strict: false }).compile(configJsonSchema())
  const good = [
    {},
    { epsilon: '8/255', suite: 'quick' },
    { attacks: ['pgd', { name: 'pgd', options: { steps: 3 } }] },
    { box: null },
    { endpoint: 'service.json' },
    { endpoint: { protocol: 'json', request: { deep: [{ x: '$samples' }] }, response: 'rows', kind: 'scores' } },
  ]
  const bad = [
    { epsilom: 1 },
    { seed: 'x' },
    { attacks: [{ name: 'pgd', options: { stepz: 3 } }] },
    { norm: 'L3' },
    { json: true },
    { endpoint: { protocol: 'v2', kinds: 'scores' } },
  ]
  for (const config of good) expect([validate(config), validate.errors]).toEqual([true, null])
  for (const config of bad) expect(validate(config), JSON.stringify(config)).toBe(false)
  for (const config of good) expect(() => checkConfig(config, 'x')).not.toThrow()
})

test('the command line: the file is named, every value says where it comes from', async () => {
  const folder = folderWith('robustly.config.yaml', 'model: m.onnx\ndata: d.npz\nepsilon: 8/255\nsuite: standard\n')
  mkdirSync(join(folder, 'deep'))
  const at = { cwd: join(folder, 'deep'), env: { ROBUSTLY_SEED: '7' } }
  const [printed, json, none, other, bad] = await Promise.all([
    cli(['evaluate', '--print-config', '--norm', 'L2', '--box', 'none', '--attack', 'pgd'], at),
    cli(['evaluate', '--print-config', '--json', '--quiet'], at),
    cli(['evaluate', '--print-config', '--no-config'], at),
    cli(['evaluate', '--print-config', '--config', '../nowhere.yaml'], at),
    cli(['evaluate', '--no-config', 'm.onnx'], at),
  ])
  expect(printed).toMatchObject({ code: 0, stderr: expect.stringContaining('config file') })
  expect(printed.stdout).toMatch(/^epsilon +8\/255 +config .*robustly\.config\.yaml$/m)
  expect(printed.stdout).toMatch(/^seed +7 +environment ROBUSTLY_SEED$/m)
  expect(printed.stdout).toMatch(/^norm +L2 +flag --norm$/m)
  expect(printed.stdout).toMatch(/^box +null +flag --box$/m)
  expect(printed.stdout).toMatch(/^timeout +300 +default$/m)
  expect(printed.stdout).toMatch(/^attacks .*pgd.* flag --attack$/m)
  expect(printed.stdout).not.toMatch(/^suite /m)
  expect(JSON.parse(json.stdout)).toMatchObject({ data: { value: join(folder, 'd.npz') }, seed: { value: 7 } })
  expect(json.stderr).toBe('')
  expect(none).toMatchObject({ code: 0, stdout: expect.not.stringContaining('epsilon') })
  expect(other).toMatchObject({ code: 2, stderr: expect.stringMatching(/nowhere\.yaml: cannot be read/) })
  expect(bad).toMatchObject({ code: 2, stderr: expect.stringMatching(/data is missing[\s\S]*ROBUSTLY_DATA/) })
})
