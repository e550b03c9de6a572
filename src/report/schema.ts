/**
 * The published result format, `result.json`. Fields are added, never renamed, within a schema version. It holds no paths
 * and nothing that depends on how the evaluation ran, except the times: every field named `seconds`.
 */
import { z } from 'zod'

const count = z.int().min(0)
const hash = z.string().regex(/^[0-9a-f]{64}$/)

const rate = z
  .strictObject({
    value: z.number().min(0).max(1),
    correct: count,
    count: z.int().min(1),
    interval: z.tuple([z.number(), z.number()]).describe('95 % confidence interval (Clopper-Pearson, exact)'),
  })
  .describe('a share of samples: correct / count')

const attack = z.strictObject({
  name: z.string(),
  options: z.record(z.string(), z.unknown()).describe('as they were used, defaults included'),
  attempted: count.describe('samples on which the attack ran'),
  broken: count.describe('samples with an adversarial example, verified on the original model file'),
  failed: count.describe('samples without a verdict from this attack, because an answer was not finite'),
  robustAfter: count.describe('attempted - broken - failed'),
  queries: z.strictObject({ forward: count, gradient: count }).describe('rows that the model evaluated'),
  transfer: z
    .strictObject({
      queries: z.strictObject({ forward: count, gradient: count }).describe('rows that the surrogates evaluated'),
      fooledSurrogate: count.describe(
        'samples on which the surrogates were fooled; `broken` is for how many the model was',
      ),
      failed: count.describe('samples on which the surrogates were fooled and the model was not'),
    })
    .optional()
    .describe('of an attack that ran on surrogates'),
  preparation: z
    .strictObject({
      queries: z
        .strictObject({ forward: count, gradient: count })
        .describe('rows that the model evaluated, or the surrogates where there are some; not part of `queries`'),
    })
    .optional()
    .describe('of an attack that finds something once for the whole run, such as a universal perturbation'),
  seconds: z.number().min(0).describe('wall time of all worker processes together'),
})

const distance = z.number().min(0)
const distances = z
  .strictObject({
    norm: z.enum(['Linf', 'L2', 'L1', 'L0']),
    bound: z
      .literal('upper')
      .describe('the points are verified, but nearer ones may exist: distances and curve are upper bounds'),
    median: distance
      .nullable()
      .describe('the least epsilon at which at most half of all samples are robust; null: never broken'),
    quantiles: z
      .array(z.strictObject({ share: z.number(), distance: distance.nullable() }))
      .describe('the least epsilon at which this share of all samples is not robust any more; null: never broken'),
    curve: z
      .array(z.strictObject({ epsilon: distance, robust: z.number().min(0).max(1) }))
      .max(200)
      .describe('robust accuracy against epsilon: a step function, exact at these points, by rising epsilon'),
    attacks: z.array(
      z.strictObject({
        name: z.string(),
        found: count.describe('correctly classified samples for which it found a misclassified point'),
        median: distance.nullable(),
        optimality: z
          .number()
          .nullable()
          .describe(
            'AttackBench: 1 as near as the best of the run on every sample, 0 nothing found; null for a single attack',
          ),
      }),
    ),
    withoutDistance: count.describe('samples that nothing broke at any distance'),
  })
  .describe('of runs in which attacks of minimum distance went to their end on every sample')

const bound = z.number().nullable()
const requirement = z.strictObject({
  requirement: z.string().describe('as it was written, without folders of this machine'),
  metric: z.string(),
  attack: z.string().nullable(),
  quantity: z.enum(['share', 'difference', 'count', 'distance']),
  status: z.enum(['met', 'not-met', 'undecided']),
  decidedBy: z.enum(['interval', 'point']),
  sign: z.enum(['>=', '<=', '>', '<']),
  threshold: z.number(),
  measured: z.number().nullable().describe('null: no sample was ever broken, so the distance has no end'),
  interval: z
    .tuple([bound, bound])
    .nullable()
    .describe('95 % confidence interval; null for counts; an end that is null has no limit'),
  count: count.describe('samples behind it'),
  by: z
    .number()
    .min(0)
    .nullable()
    .describe('what the number that decides lies beyond the threshold, or short of it; null where either has no limit'),
  moreSamples: count
    .nullable()
    .describe('where undecided: so many samples more, at the rates that were measured, would decide; null: none would'),
  pairs: z
    .strictObject({
      both: count,
      onlyFirst: count.describe('only the baseline is right'),
      onlySecond: count,
      neither: count,
      probability: z.number().describe('of counts as uneven as these if both were equally good (McNemar, exact)'),
    })
    .optional()
    .describe('of a drop: the samples that both runs tell of'),
})

export const resultSchema = z.strictObject({
  schemaVersion: z.literal(1),
  tool: z.strictObject({ name: z.literal('robustly'), version: z.string() }),
  runtime: z.strictObject({
    onnxruntime: z.string(),
    engine: z.enum(['native', 'wasm']),
    provider: z.literal('cpu'),
    node: z.string(),
  }),
  model: z.strictObject({
    file: z.string().describe('name only; the address of an endpoint'),
    sha256: hash.describe('of the file and its external data; of the description of an endpoint'),
    parameters: count.nullable().describe('null for an endpoint'),
    classes: z.int().min(1),
    inputShape: z.array(count).describe('of one input, without the batch dimension'),
    notes: z.array(z.string()).describe('what was done to the graph to attack it'),
  }),
  surrogates: z
    .array(
      z.strictObject({
        file: z.string().describe('name only'),
        sha256: hash,
        space: z
          .strictObject({
            mean: z.array(z.number()),
            std: z.array(z.number()),
            layout: z.enum(['NCHW', 'NHWC']),
            scale: z.number(),
            channels: z.enum(['rgb', 'bgr']),
          })
          .partial()
          .optional()
          .describe('what of its way for data differs from that of the model'),
      }),
    )
    .optional()
    .describe('models on which attacks by gradients ran in place of the one evaluated'),
  data: z.strictObject({
    file: z.string().describe('name only'),
    sha256: hash,
    range: z.tuple([count, count]).describe('first sample and the one after the last'),
    count: z.int().min(1),
    mean: z.array(z.number()).nullable(),
    std: z.array(z.number()).nullable(),
    layout: z.enum(['NCHW', 'NHWC']),
    scale: z.number().optional().describe('what every value was multiplied by; absent: 1'),
    channels: z
      .enum(['rgb', 'bgr'])
      .optional()
      .describe('order of colours that the model takes; absent: as in the data'),
    decoder: z.string().nullable().describe('library that decoded compressed pictures, where results depend on it'),
  }),
  threat: z.strictObject({
    norm: z.enum(['Linf', 'L2', 'L1', 'L0']),
    epsilon: z.string().describe('as it was written'),
    epsilonValue: z.number().min(0),
    box: z.tuple([z.number(), z.number()]).nullable(),
    constraints: z
      .strictObject({
        immutable: count,
        integer: count,
        monotone: count,
        bounded: count.describe('features with a range or a radius of their own'),
        oneHot: count.describe('groups'),
        relations: count,
        sha256: hash.optional().describe('of the constraints themselves'),
      })
      .optional()
      .describe('constraints of features, in numbers'),
  }),
  suite: z.string(),
  mode: z.enum(['cascade', 'individual']).describe('cascade: each attack sees what the ones before it left standing'),
  seed: z.int().min(0),
  randomised: z
    .literal(true)
    .optional()
    .describe('the model draws at random: verdicts are those of most draws, and differ a little from run to run'),
  draws: z.int().min(2).optional().describe('how often the model was asked about a point before there was a verdict'),
  accuracy: z.strictObject({ standard: rate, robust: rate, certified: rate.nullable(), surrogate: rate.optional() }),
  endpoint: z
    .strictObject({
      requests: count.describe('sent in all sittings of the run, further tries included'),
      rows: count.describe('sent in them'),
      retries: count,
      errors: count.describe('requests without a usable answer in the end'),
      bytesSent: count,
      bytesReceived: count,
      seconds: z
        .strictObject({ median: z.number(), p90: z.number(), p99: z.number() })
        .nullable()
        .describe('time to the answer, at most 10 % too large'),
    })
    .optional()
    .describe('what asking an endpoint has cost'),
  unknown: count.describe('samples without a verdict: not counted as robust'),
  attacks: z.array(attack),
  distances: distances.optional(),
  diagnostics: z.array(
    z.strictObject({
      check: z.string(),
      status: z.enum(['pass', 'warn', 'fail', 'not-run']),
      measured: z.record(z.string(), z.unknown()),
      meaning: z.string(),
    }),
  ),
  warnings: z.array(z.string()),
  requirements: z.array(requirement).optional().describe('what was required of the result, where anything was'),
})

export type Result = z.infer<typeof resultSchema>
