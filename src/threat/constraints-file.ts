/** Constraints as people write them, in a JSON file: features by name or position. */
import { z } from 'zod'
import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'
import type { ConstraintSpec, FeatureRule, Relation } from './constraints.js'

const rule = z.strictObject({
  range: z.tuple([z.number().nullable(), z.number().nullable()]).optional(),
  immutable: z.boolean().optional(),
  integer: z.boolean().optional(),
  direction: z.enum(['increase', 'decrease']).optional(),
  epsilon: z.number().min(0).optional(),
})

const fileSchema = z.strictObject({
  /** By name or position; `*` is for all that have no entry of their own. */
  features: z.record(z.string(), rule).default({}),
  /** Lists of features, or the name of a column that was made one-hot: all features named `column=…`. */
  oneHot: z.array(z.union([z.string(), z.array(z.union([z.string(), z.int()])).min(2)])).default([]),
  relations: z
    .array(
      z
        .strictObject({
          weights: z.record(z.string(), z.number()),
          atMost: z.number().optional(),
          atLeast: z.number().optional(),
          equals: z.number().optional(),
        })
        .refine(
          ({ atMost, atLeast, equals }) => [atMost, atLeast, equals].filter(each => each !== undefined).length === 1,
          'expected exactly one of atMost, atLeast and equals',
        ),
    )
    .default([]),
})

const feature = z.int().min(0)

/** The resolved form, as manifests keep it. */
export const constraintSpecSchema = z
  .object({
    features: z
      .int()
      .min(1)
      .max(2 ** 28),
    rules: z.array(rule.extend({ feature, name: z.string().optional() })),
    oneHot: z.array(z.array(feature)),
    relations: z.array(
      z.object({
        weights: z.array(z.tuple([feature, z.number()])),
        atMost: z.number().optional(),
        equals: z.number().optional(),
      }),
    ),
  })
  .refine(
    ({ features, rules, oneHot, relations }) =>
      [rules.map(each => each.feature), oneHot.flat(), relations.flatMap(({ weights }) => weights.map(([i]) => i))]
        .flat()
        .every(i => i < features),
    'a constraint is about a feature that there is not',
  )

/** The features that constraints may speak of. */
export interface FeatureNames {
  readonly count: number
  readonly names?: readonly string[] | undefined
}

/**
 * Reads the text of a constraints file for data with these features. Throws `config` with what is wrong; `source` is named in messages.
 */
export function readConstraints(text: string, features: FeatureNames, source: string): ConstraintSpec {
  const fail = (message: string, hint?: string): never => {
    throw new RobustlyError('config', `${printable(source)}: ${message}`, hint === undefined ? {} : { hint })
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    return fail(`it is not JSON: ${printable((error as Error).message, 120)}`)
  }
  const checked = fileSchema.safeParse(json)
  if (!checked.success) {
    const { path, message } = checked.error.issues[0]
    return fail(`${printable(path.join('.') || 'the file', 80)}: ${printable(message)}`)
  }
  const position = (name: string | number): number => {
    const at = positionOf(String(name), features)
    if (at !== undefined) return at
    const some = features.names?.slice(0, 12).map(each => printable(each, 40))
    return fail(
      `there is no feature ${printable(String(name), 60)}; there are ${features.count}`,
      some === undefined ? 'Features count from 0.' : `The first are ${some.join(', ')}.`,
    )
  }
  const { features: written, oneHot, relations } = checked.data
  const groups = oneHot.map(group =>
    typeof group === 'string' ? columnOf(group, features, fail) : group.map(position),
  )
  const twice = groups.flat().find((feature, at, all) => all.indexOf(feature) < at)
  if (twice !== undefined) fail(`feature ${nameOf(twice, features) ?? twice} is in two places of one-hot groups`)
  return {
    features: features.count,
    rules: rulesOf({ written, groups, features, position, fail }),
    oneHot: groups,
    relations: relations.map(({ weights, atMost, atLeast, equals }): Relation => {
      const sign = atLeast === undefined ? 1 : -1
      const terms = Object.entries(weights).map(([name, weight]) => [position(name), sign * weight] as const)
      if (!terms.some(([, weight]) => weight !== 0)) fail('a relation has no weight')
      return equals === undefined ? { weights: terms, atMost: atMost ?? -atLeast! } : { weights: terms, equals }
    }),
  }
}

type Fail = (message: string, hint?: string) => never
type WrittenRule = z.infer<typeof rule>

interface RuleParts {
  readonly written: Readonly<Record<string, WrittenRule>>
  readonly groups: readonly (readonly number[])[]
  readonly features: FeatureNames
  readonly position: (name: string) => number
  readonly fail: Fail
}

function rulesOf({ written, groups, features, position, fail }: RuleParts): FeatureRule[] {
  const own = new Map<number, WrittenRule>()
  for (const [name, each] of Object.entries(written)) {
    if (name === '*') continue
    const at = position(name)
    if (own.has(at)) fail(`feature ${printable(name, 60)} has two entries`)
    own.set(at, each)
  }
  const usual = Object.hasOwn(written, '*') ? written['*'] : undefined
  if (usual !== undefined) for (let i = 0; i < features.count; i++) if (!own.has(i)) own.set(i, usual)
  // Members of groups are named in messages, too.
  if (features.names !== undefined) for (const i of groups.flat()) if (!own.has(i)) own.set(i, {})
  return [...own]
    .sort(([a], [b]) => a - b)
    .map(([feature, each]) => {
      const [low, high] = each.range ?? [null, null]
      const name = nameOf(feature, features)
      if (low !== null && high !== null && low > high) fail(`the range of ${name ?? feature} is ${low} to ${high}`)
      return { feature, ...(name !== undefined && { name }), ...(each as Omit<FeatureRule, 'feature'>) }
    })
}

function positionOf(name: string, { count, names }: FeatureNames): number | undefined {
  const named = names?.indexOf(name) ?? -1
  if (named >= 0) return named
  const at = /^\d{1,9}$/.test(name) ? Number(name) : Number.NaN
  return at < count ? at : undefined
}

function nameOf(feature: number, { names }: FeatureNames): string | undefined {
  const name = names?.[feature]
  return name === undefined ? undefined : printable(name, 60)
}

function columnOf(column: string, { names }: FeatureNames, fail: Fail): number[] {
  const found = (names ?? []).flatMap((name, at) => (name.startsWith(`${column}=`) ? [at] : []))
  return found.length >= 2
    ? found
    : fail(`no two features are named ${printable(column, 40)}=…, as one-hot columns are`)
}
