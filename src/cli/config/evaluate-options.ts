/** The table of options of `robustly evaluate`: command line, environment, config file, types and documents come from it. */
import { z } from 'zod'
import { attacks } from '../../attacks/index.js'
import { RobustlyError } from '../../errors.js'
import { suites } from '../../evaluate/suite.js'
import { endpointLimits, endpointSchema } from '../../model/endpoint/schema.js'
import { parseRequirement } from '../../report/gate/requirement.js'
import { reportFormats } from '../../report/index.js'
import { parseEpsilon } from '../../threat/threat.js'
import * as parse from '../parse.js'
import { type OptionRow, option, type ValueOf, written } from './option.js'

export const groups = {
  asked: 'What is asked:',
  enters: 'How data enter the model:',
  results: 'Results:',
  resources: 'Resources, which never change a result:',
  endpoints: 'Endpoints:',
  other: 'Other:',
} as const

/** Decided where the option is used, for there it may depend on what the model is. */
const text = z.string().min(1)
const texts = z.array(text).min(1)
const itself = (word: string) => word
const whole = (least: number) => z.int().min(least)
const channels = z.union([z.number().transform(value => [value]), z.array(z.number()).min(1), written(parse.numbers)])

/** How samples become what a model takes: of the model, and of a surrogate that takes them in another way. */
const entrance = {
  mean: channels,
  std: channels,
  layout: z.enum(['NCHW', 'NHWC']),
  scale: z.number().positive(),
  channels: z.enum(['rgb', 'bgr']),
} as const

const surrogate = z.strictObject({ model: text, ...z.object(entrance).partial().shape })

/** `other.onnx`, `other.onnx:mean=0.5,layout=NHWC`. */
function surrogateIn(words: string): string | z.infer<typeof surrogate> {
  const said = parse.saidOf(words)
  return said === undefined ? words : parse.checked(surrogate, { model: said.name, ...said.values })
}

/** A switch that is given or not. */
const given = (flag: string, group: string, description: string) =>
  option({ flag, group, description, schema: z.boolean() })

const number = (flag: string, group: string, description: string, least = 1) =>
  option({ flag, group, description, schema: whole(least), read: parse.whole(least) })

const attack = z.union([
  written(words => parse.attack(words)[0]!),
  z
    .strictObject({
      name: text.describe('a name of the table of attacks'),
      options: z.record(z.string(), z.json()).default({}).describe('as docs/attacks.md says'),
    })
    .transform(({ name, options }) => ({ name, options: options as unknown })),
])

const epsilon = z.union([z.number(), z.string()]).transform((value, context) => {
  try {
    parseEpsilon(String(value))
    return String(value)
  } catch (error) {
    if (!(error instanceof RobustlyError)) throw error
    context.addIssue({ code: 'custom', message: error.message })
    return z.NEVER
  }
})

export const endings = reportFormats.map(({ ending }) => ending).join(', ')

/** In the order of the help. */
export const evaluateOptions = {
  model: option({
    group: groups.asked,
    description: 'the .onnx file, or the address of an endpoint',
    schema: text,
    read: itself,
    path: true,
  }),
  data: option({
    flag: '--data <path>',
    group: groups.asked,
    description:
      '.npz, .npy, IDX files, CIFAR .bin, image folder, .csv or .parquet; behind it, :train or :test picks a part, :label=NAME and :drop=NAME columns, :bind=INPUT=NAME feeds other inputs, :relabel=-1 moves labels',
    schema: text,
    read: itself,
    path: true,
  }),
  norm: option({
    flag: '--norm <name>',
    group: groups.asked,
    description: 'Linf, L2, L1 or L0',
    schema: z.enum(['Linf', 'L2', 'L1', 'L0']),
    read: parse.norm,
    default: 'Linf',
    suggestions: ['Linf', 'L2', 'L1', 'L0'],
  }),
  epsilon: option({
    flag: '--epsilon <radius>',
    group: groups.asked,
    description: 'how far an input may be changed, such as 8/255 or 0.3',
    schema: epsilon,
    read: itself,
  }),
  suite: option({
    flag: '--suite <name>',
    group: groups.asked,
    description: `which attacks: ${[...suites.keys()].join(', ')} (default: quick)`,
    schema: text,
    read: itself,
    suggestions: [...suites.keys()],
    replaces: 'attacks',
  }),
  attacks: option({
    flag: '--attack <name>',
    group: groups.asked,
    description: `an attack: ${[...attacks.keys()].join(', ')}; with options as name:key=value,…; may be repeated`,
    schema: z.array(attack).min(1),
    read: words => parse.attack(words)[0],
    repeatable: true,
    suggestions: [...attacks.keys()],
    replaces: 'suite',
  }),
  surrogates: option({
    flag: '--surrogate <file>',
    group: groups.asked,
    description:
      'a model on which attacks by gradients run in place of this one; may be repeated: then on the mean of their logits; FILE:mean=0.5,std=0.25,layout=NHWC,scale=255,channels=bgr (in a config file also { model, mean, … }) where data enter it in another way',
    schema: z.array(z.union([text.pipe(written(surrogateIn)), surrogate])).min(1),
    read: surrogateIn,
    repeatable: true,
    path: 'model',
  }),
  individual: option({
    flag: '--individual',
    group: groups.asked,
    description:
      'run every attack on every sample (default for attacks of minimum distance: one run then gives all distances)',
    schema: z.boolean(),
    negation: 'stop a sample at its first adversarial example',
  }),
  samples: option({
    flag: '--samples <start:end>',
    group: groups.asked,
    description: 'which samples (default: all)',
    schema: z.union([written(parse.range), z.tuple([whole(0), whole(1)])]),
    read: parse.range,
  }),
  seed: option({
    flag: '--seed <number>',
    group: groups.asked,
    description: 'seed of all random numbers',
    schema: whole(0),
    read: parse.whole(0),
    default: 0,
  }),
  draws: number(
    '--draws <number>',
    groups.asked,
    'how often a model that draws at random is asked about a point; most must be wrong (default: 100)',
  ),
  mean: option({
    flag: '--mean <numbers>',
    group: groups.enters,
    description: 'subtracted per channel',
    schema: entrance.mean,
    read: parse.numbers,
  }),
  std: option({
    flag: '--std <numbers>',
    group: groups.enters,
    description: 'divided by, per channel',
    schema: entrance.std,
    read: parse.numbers,
  }),
  layout: option({
    flag: '--layout <name>',
    group: groups.enters,
    description: 'what the model takes',
    schema: entrance.layout,
    read: itself,
    choices: ['NCHW', 'NHWC'],
  }),
  scale: option({
    flag: '--scale <number>',
    group: groups.enters,
    description: 'multiplies every value before --mean and --std: 255 for models that take pixels from 0 to 255',
    schema: entrance.scale,
    read: parse.positive,
  }),
  channels: option({
    flag: '--channels <order>',
    group: groups.enters,
    description: 'order of the colours that the model takes; data are rgb',
    schema: entrance.channels,
    read: itself,
    choices: ['rgb', 'bgr'],
  }),
  constraints: option({
    flag: '--constraints <file>',
    group: groups.enters,
    description:
      'JSON: ranges, immutable, whole, monotone and one-hot features, radii of single features, linear relations',
    schema: z.string().min(1),
    read: itself,
    path: true,
  }),
  box: option({
    flag: '--box <low:high>',
    group: groups.enters,
    description: 'range of valid values, or none (default: 0:1 for images, none for features)',
    schema: z.union([written(parse.box), z.tuple([z.number(), z.number()]), z.null()]),
    read: parse.box,
  }),
  surrogateGradients: option({
    flag: '--surrogate-gradients <mode>',
    group: groups.enters,
    description: 'replace gradients that are zero by nature (Sign, Round, …), or refuse',
    schema: z.enum(['on', 'off']),
    read: itself,
    choices: ['on', 'off'],
    default: 'on',
  }),
  outputs: option({
    flag: '-o, --output <file>',
    group: groups.results,
    description: `write ${endings}; - prints JSON; may be repeated`,
    schema: texts,
    read: itself,
    repeatable: true,
    path: true,
  }),
  requirements: option({
    flag: '--require <text>',
    group: groups.results,
    description: "end with exit code 1 unless this is met, such as 'robust >= 0.45' (see gate --help); may be repeated",
    schema: z.array(written(parseRequirement)).min(1),
    read: parseRequirement,
    repeatable: true,
  }),
  decide: option({
    flag: '--decide <how>',
    group: groups.results,
    description: 'requirements by the 95 % interval, all of which must meet them, or by the measured point',
    schema: z.enum(['interval', 'point']),
    read: itself,
    choices: ['interval', 'point'],
    default: 'interval',
  }),
  json: option({
    flag: '--json',
    group: groups.results,
    description: 'print JSON instead of the table',
    schema: z.boolean(),
    callOnly: true,
  }),
  run: option({
    flag: '--run <folder>',
    group: groups.results,
    description: 'run folder (default: a new one below runs/)',
    schema: text,
    read: itself,
    path: true,
  }),
  resume: option({
    flag: '--resume',
    group: groups.results,
    description: 'continue the run in that folder',
    schema: z.boolean(),
    callOnly: true,
  }),
  force: option({
    flag: '--force',
    group: groups.results,
    description: 'go on although the model is no better than guessing',
    schema: z.boolean(),
    callOnly: true,
  }),
  processes: number('--processes <number>', groups.resources, 'worker processes (default: measured)'),
  threads: number('--threads <number>', groups.resources, 'threads of each (default: measured)'),
  batch: number('--batch <rows>', groups.resources, 'rows of one call of the model (default: measured)'),
  memoryLimit: option({
    flag: '--memory-limit <bytes>',
    group: groups.resources,
    description: 'of one worker, such as 2GB (default: its share of 80 % of the machine)',
    schema: z.union([whole(2 ** 26), written(parse.bytes)]),
    read: parse.bytes,
  }),
  timeout: option({
    flag: '--timeout <seconds>',
    group: groups.resources,
    description: 'a worker without a sign of life for so long is killed',
    schema: z.number().positive().max(1e6),
    read: parse.seconds,
    default: 300,
  }),
  allowHardlinks: given('--allow-hardlinks', groups.resources, 'accept external data with several hard links'),
  endpoint: option({
    flag: '--endpoint <file>',
    group: groups.endpoints,
    description:
      'JSON that describes an endpoint (default: Open Inference Protocol v2); a config file may hold the description itself',
    schema: z.union([text, endpointSchema]),
    read: itself,
    path: true,
  }),
  rowsPerRequest: number(
    '--rows-per-request <number>',
    groups.endpoints,
    'samples of one request (default: 8, or what it takes)',
  ),
  concurrency: limit('concurrency'),
  rate: limit('requestsPerSecond'),
  retries: limit('retries'),
  requestTimeout: limit('timeoutSeconds'),
  queryBudget: limit('maxQueries'),
  responseLimit: limit('maxResponseBytes'),
  allowPrivate: limit('allowPrivate'),
  engine: option({
    flag: '--engine <name>',
    group: groups.other,
    description: 'which ONNX Runtime; they round differently (default: native, else wasm)',
    schema: z.enum(['native', 'wasm']),
    read: itself,
    choices: ['native', 'wasm'],
  }),
  requireNative: given('--require-native', groups.other, 'fail where the native engine does not load'),
  quiet: option({
    flag: '--quiet',
    group: groups.other,
    description: 'no progress',
    schema: z.boolean(),
    callOnly: true,
  }),
} as const

/** The name in the table is that of the flag; the table of limits says the rest. */
function limit<Name extends keyof typeof endpointLimits>(name: Name): OptionRow<number | boolean | null> {
  const { flag, schema } = endpointLimits[name]
  const usual: unknown = schema.parse(undefined)
  const stated = usual === null || typeof usual === 'boolean' ? '' : ` (default: ${String(usual)})`
  return {
    flag,
    group: groups.endpoints,
    description: `${schema.description}${stated}`,
    schema: schema.unwrap() as z.ZodType<number | boolean | null>,
    ...(flag.includes('<') && { read: (words: string) => parse.checked(schema as z.ZodType, words) }),
  }
}

export type EvaluateTable = typeof evaluateOptions
/** What is left when flags, environment, config file and defaults are put together. */
export type EvaluateSettings = { readonly [Name in keyof EvaluateTable]?: ValueOf<EvaluateTable[Name]> }
