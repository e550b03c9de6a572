/** The data of the page, decoded: typed arrays instead of base64, and the words that all sections share. */
import {
  type AttackFacts,
  elements,
  type Gallery,
  type GallerySamples,
  type ReportDocument,
  type RunDocument,
  statuses,
  verdicts,
} from '../../src/report/html/document.js'
import type { Result } from '../../src/report/schema.js'
import { type Numbers, numbersOf } from './columns.js'

export interface Report {
  readonly version: string
  /** At least one. */
  readonly runs: readonly Run[]
}

export interface Run {
  readonly name: string
  /** Its colour in charts that show several runs. */
  readonly color: string
  readonly document: RunDocument
  readonly result: Result
  readonly attacks: readonly AttackFacts[]
  readonly records: Records | null
  readonly gallery: (Gallery & { readonly rowNumbers: Numbers }) | null
  /** What one sample is called: image or sample. */
  readonly noun: 'image' | 'sample'
  /** Name of a class; its number where there are no names, a dash for no answer. */
  className(label: number): string
  /** The gallery's values, read from the page at the first call. */
  samples(): GallerySamples
}

export interface Records {
  readonly count: number
  readonly index: Numbers
  readonly label: Numbers
  readonly prediction: Numbers
  readonly verdict: Numbers
  readonly attack: Numbers
  readonly distance: Numbers
  readonly margin: Numbers
  readonly adversarialPrediction: Numbers
  readonly attempts: readonly {
    readonly status: Numbers
    readonly forward: Numbers
    readonly gradient: Numbers
    readonly distance: Numbers | null
  }[]
}

/** The codes of columns by name: `code.verdict.broken`. */
export const code = { verdict: codes(verdicts), status: codes(statuses) }

function codes<const Names extends readonly string[]>(names: Names): { readonly [Name in Names[number]]: number } {
  return Object.fromEntries(names.map((name, at) => [name, at])) as { [Name in Names[number]]: number }
}

const runColors = 6

export function readReport(): Report {
  const { tool, runs } = parsed<ReportDocument>(elements.document)
  return { version: tool.version, runs: runs.map(runOf) }
}

function parsed<T>(id: string): T {
  return JSON.parse(document.getElementById(id)?.textContent ?? 'null') as T
}

export function runOf(document: RunDocument, at: number): Run {
  const { name, result, attacks, gallery, classNames } = document
  let samples: GallerySamples | undefined
  return {
    name,
    color: `var(--run-${at % runColors})`,
    document,
    result,
    attacks,
    records: document.records === null ? null : decoded(document.records),
    gallery: gallery === null ? null : { ...gallery, rowNumbers: numbersOf(gallery.rows) },
    noun: isImage(document) ? 'image' : 'sample',
    className: label => (label < 0 ? '–' : (classNames?.[label] ?? String(label))),
    samples() {
      samples ??= parsed<GallerySamples>(elements.samples(at))
      return samples
    },
  }
}

export function decoded(records: NonNullable<RunDocument['records']>): Records {
  return {
    count: records.count,
    index: numbersOf(records.index),
    label: numbersOf(records.label),
    prediction: numbersOf(records.prediction),
    verdict: numbersOf(records.verdict),
    attack: numbersOf(records.attack),
    distance: numbersOf(records.distance),
    margin: numbersOf(records.margin),
    adversarialPrediction: numbersOf(records.adversarialPrediction),
    attempts: records.attempts.map(({ status, forward, gradient, distance }) => ({
      status: numbersOf(status),
      forward: numbersOf(forward),
      gradient: numbersOf(gradient),
      distance: distance === null ? null : numbersOf(distance),
    })),
  }
}

function isImage({ gallery, result }: RunDocument): boolean {
  return gallery === null ? result.model.inputShape.length === 3 : gallery.kind === 'image'
}
