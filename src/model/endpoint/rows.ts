/** From the numbers or names in an answer to rows of scores. What is wrong comes back as a text. */
import { printable } from '../../printable.js'
import type { Kind } from './schema.js'

export interface Expected {
  readonly kind: Kind
  /** Rows that were asked for. */
  readonly count: number
  /** undefined: as many as a row has. */
  readonly classes: number | undefined
  readonly classNames?: readonly string[] | undefined
}

/** Deeper nesting is no tensor. */
const deepest = 8

/**
 * Scores [count, classes]. Takes nested or flat rows of numbers (null for a number that is not finite), rows as objects by class
 * name, and for labels numbers or names; a label becomes 1 in a row of zeros. Where labels are wanted and rows of
 * scores come, the largest counts.
 */
export function rowsOf(value: unknown, expected: Expected): Float32Array | string {
  const { count, classNames } = expected
  const classes = expected.classes ?? classNames?.length
  const flat: (number | string)[] = []
  const wrong = flatten(value, flat, { classNames, depth: 0 })
  if (wrong !== undefined) return wrong
  if (expected.kind === 'labels' && flat.length === count) return oneHot(flat, { classes, classNames })
  const text = flat.find(each => typeof each === 'string')
  if (text !== undefined) return `the answer holds "${printable(String(text), 40)}" where a number is expected`
  const outer = Array.isArray(value) ? value.length : 1
  if (outer === count && Array.isArray(value) && value.some(row => lengthOf(row) !== lengthOf(value[0]))) {
    return 'the answer holds rows of different lengths'
  }
  const perRow = flat.length / count
  if (!Number.isInteger(perRow) || perRow < 1 || (outer !== count && outer !== flat.length && outer !== 1)) {
    return `the answer holds ${outer} rows with ${flat.length} numbers, expected ${count} rows`
  }
  if (classes !== undefined && perRow !== classes) {
    return `the answer holds ${perRow} scores for a sample, expected ${classes}`
  }
  const scores = Float32Array.from(flat as number[])
  if (expected.kind !== 'labels') return scores
  return oneHot(
    Array.from({ length: count }, (_, row) => largest(scores.subarray(row * perRow, (row + 1) * perRow))),
    { classes: perRow, classNames },
  )
}

function lengthOf(row: unknown): number | undefined {
  return Array.isArray(row) ? row.length : undefined
}

interface Naming {
  readonly classNames: readonly string[] | undefined
  readonly depth: number
}

function flatten(value: unknown, into: (number | string)[], { classNames, depth }: Naming): string | undefined {
  if (typeof value === 'number' || typeof value === 'string') into.push(value)
  else if (value === null) into.push(Number.NaN)
  else if (typeof value === 'boolean') into.push(Number(value))
  else if (value === undefined) return 'the answer holds nothing where the rows are expected'
  else if (Array.isArray(value)) {
    if (depth > deepest) return 'the answer is nested too deeply'
    for (const inner of value) {
      const wrong = flatten(inner, into, { classNames, depth: depth + 1 })
      if (wrong !== undefined) return wrong
    }
  } else if (classNames !== undefined) {
    for (const name of classNames) {
      const score: unknown = Object.hasOwn(value as object, name) ? (value as Record<string, unknown>)[name] : undefined
      if (typeof score !== 'number') return `the answer holds no number for the class "${printable(name, 40)}"`
      into.push(score)
    }
  } else return 'the answer holds an object where numbers are expected'
  return undefined
}

function oneHot(
  labels: readonly (number | string)[],
  { classes, classNames }: { readonly classes: number | undefined; readonly classNames: readonly string[] | undefined },
): Float32Array | string {
  if (classes === undefined) return 'the number of classes is not known: labels do not tell it'
  const scores = new Float32Array(labels.length * classes)
  for (const [row, label] of labels.entries()) {
    const index = typeof label === 'string' ? (classNames ?? []).indexOf(label) : label
    if (Number.isNaN(index)) scores.fill(Number.NaN, row * classes, (row + 1) * classes)
    else if (Number.isInteger(index) && index >= 0 && index < classes) scores[row * classes + index] = 1
    else
      return `the answer holds the label ${printable(JSON.stringify(label), 40)}, which is none of the ${classes} classes`
  }
  return scores
}

/** Index of the largest, the first of equals; NaN when one is not finite. */
function largest(scores: Float32Array): number {
  if (!scores.every(Number.isFinite)) return Number.NaN
  return scores.indexOf(scores.reduce((a, b) => Math.max(a, b)))
}
