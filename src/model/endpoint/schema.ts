/** How an endpoint is described: by its address alone, or by a file of JSON that says what to send and where the answer is. */
import { z } from 'zod'
import type { ValueInfo } from '../../onnx/graph.js'
import { parsePath } from './path.js'
import { placeholdersIn } from './template.js'

/** Limits of asking: one table for the file and for the command line. Nothing of it changes a result. */
export const endpointLimits = {
  concurrency: {
    flag: '--concurrency <number>',
    schema: z.int().min(1).max(64).default(4).describe('requests under way at once'),
  },
  requestsPerSecond: {
    flag: '--rate <number>',
    schema: z.number().positive().max(1e6).nullable().default(null).describe('requests a second at most'),
  },
  retries: {
    flag: '--retries <number>',
    schema: z.int().min(0).max(20).default(4).describe('further tries of a request that fails in passing'),
  },
  timeoutSeconds: {
    flag: '--request-timeout <seconds>',
    schema: z.number().positive().max(3600).default(30).describe('for one request and its whole answer, in seconds'),
  },
  maxQueries: {
    flag: '--query-budget <rows>',
    schema: z
      .int()
      .min(1)
      .nullable()
      .default(null)
      .describe('rows sent in all, those of further tries included; then the run stops asking and can be resumed'),
  },
  maxResponseBytes: {
    flag: '--response-limit <bytes>',
    schema: z
      .int()
      .min(1024)
      .max(2 ** 30)
      .default(2 ** 24)
      .describe('bytes of one answer at most'),
  },
  allowPrivate: {
    flag: '--allow-private',
    schema: z.boolean().default(false).describe('ask addresses of this machine and of private networks too'),
  },
} as const

const limits = {
  concurrency: endpointLimits.concurrency.schema,
  requestsPerSecond: endpointLimits.requestsPerSecond.schema,
  retries: endpointLimits.retries.schema,
  timeoutSeconds: endpointLimits.timeoutSeconds.schema,
  maxQueries: endpointLimits.maxQueries.schema,
  maxResponseBytes: endpointLimits.maxResponseBytes.schema,
  allowPrivate: endpointLimits.allowPrivate.schema,
}

const classNames = z
  .array(z.string().min(1))
  .min(2)
  .refine(names => new Set(names).size === names.length, 'a class is named twice')
  .describe('names of the classes in the order of their numbers, where answers hold names')

const kind = z
  .enum(['scores', 'probabilities', 'labels'])
  .describe('what it tells: a score for each class, scores that sum to 1, or the predicted class alone')

const shared = {
  classes: z.int().min(2).max(1_000_000).optional().describe('number of classes; needed for labels without names'),
  classNames: classNames.optional(),
  rowsPerRequest: z
    .int()
    .min(1)
    .max(4096)
    .optional()
    .describe('samples of one request (default: 8, or what the service takes)'),
}

/** What decides the answers: the identity of an endpoint beside its address. */
const v2Mapping = z.strictObject({
  protocol: z.literal('v2').describe('Open Inference Protocol, version 2: KServe, Triton, Seldon'),
  kind: kind.optional().describe('default: scores, or labels where the output holds whole numbers'),
  output: z.string().min(1).optional().describe('name of the output (default: the first one with a row of scores)'),
  ...shared,
})

const jsonMapping = z.strictObject({
  protocol: z.literal('json').describe('any service that takes and gives JSON'),
  method: z.enum(['POST', 'PUT']).default('POST'),
  request: z
    .json()
    .refine(holdsSamples, 'nowhere holds "$samples" (all samples of a request) or "$sample" (one) as a value')
    .describe(
      'body of a request: "$samples" or "$sample", "$shape" and "$count" as values stand for what is sent, "$samples.NAME" for what the data bind to another input',
    ),
  samples: z
    .enum(['nested', 'flat', 'base64'])
    .default('nested')
    .describe('how a sample is written: nested arrays, one flat array, or base64 of its little-endian float32 values'),
  response: z
    .string()
    .superRefine((text, context) => {
      const path = parsePath(text)
      if (typeof path === 'string') context.addIssue({ code: 'custom', message: path })
    })
    .describe('where the rows are in the answer, such as predictions or outputs[0].data or results[*].scores'),
  kind,
  ...shared,
})

export type Mapping = z.infer<typeof v2Mapping> | z.infer<typeof jsonMapping>

const around = {
  url: z.string().optional().describe('address; the command line may give it instead'),
  headers: z
    .record(z.string(), z.string())
    .default({})
    .describe('$NAME in a value stands for a variable of the environment; never written anywhere'),
  ...limits,
}

/** The whole of an endpoint file. */
export const endpointSchema = z.discriminatedUnion('protocol', [v2Mapping.extend(around), jsonMapping.extend(around)], {
  error: ({ code }) => (code === 'invalid_union' ? 'expected v2 or json' : undefined),
})

export type EndpointFile = z.infer<typeof endpointSchema>

/** The part of an endpoint file that decides answers. */
export function mappingOf(file: EndpointFile): Mapping {
  return file.protocol === 'v2' ? v2Mapping.strip().parse(file) : jsonMapping.strip().parse(file)
}

export type Kind = z.infer<typeof kind>

/** Element types of inputs that are written: FP32 and FP64 as they are, UINT8 as round(255 x) for images in [0, 1]. */
export const datatypes = ['FP32', 'FP64', 'UINT8'] as const
export type Datatype = (typeof datatypes)[number]

const settled = {
  url: z.url({ protocol: /^https?$/ }).describe('without user name, password, query and fragment'),
  kind,
  classes: z.int().min(2),
  classNames: classNames.optional(),
  inputShape: z
    .array(z.int().min(1).nullable())
    .nullable()
    .describe('with its batch dimension, null for what is free; null: as the samples come'),
  rowsPerRequest: z.int().min(1).describe('rows of a request at most'),
  fixedRows: z.boolean().describe('every request must have exactly so many rows'),
}

/** Element types by the names of the Open Inference Protocol. */
const elementTypes: Readonly<Record<string, ValueInfo['dtype']>> = {
  ...{ BOOL: 'bool', FP16: 'float16', FP32: 'float32', FP64: 'float64', BYTES: 'string' },
  ...{ INT8: 'int8', INT16: 'int16', INT32: 'int32', INT64: 'int64' },
  ...{ UINT8: 'uint8', UINT16: 'uint16', UINT32: 'uint32', UINT64: 'uint64' },
}

/** An input that an endpoint states, as one of a graph: dimensions of -1 or null are free. */
export function inputInfo(name: string, datatype: string, shape: readonly (number | null)[] | undefined): ValueInfo {
  const dtype = Object.hasOwn(elementTypes, datatype) ? elementTypes[datatype]! : 'other'
  return { name, dtype, typeText: datatype, shape: shape?.map(dim => (dim !== null && dim > 0 ? dim : undefined)) }
}

/** An endpoint whose every question is settled: all it takes to ask it. Plain data, without secrets. */
export const settledSchema = z.discriminatedUnion('protocol', [
  z.object({
    protocol: z.literal('v2'),
    ...settled,
    input: z.object({ name: z.string(), datatype: z.enum(datatypes) }),
    others: z
      .array(z.object({ name: z.string(), datatype: z.string(), shape: z.array(z.int().min(1).nullable()) }))
      .optional()
      .describe('inputs that are not attacked, which the data fill'),
    output: z.string(),
  }),
  jsonMapping.pick({ protocol: true, method: true, request: true, samples: true, response: true }).extend(settled),
])
export type Endpoint = z.infer<typeof settledSchema>

function holdsSamples(request: unknown): boolean {
  return placeholdersIn(request).some(each => each.input === undefined && /^samples?$/.test(each.of))
}
