/**
 * The data document of the HTML report: what the page reads, as compact columns instead of one object per sample, so that a
 * run of 10,000 samples opens at once. Types only: Node writes it, the browser reads it.
 */
import type { Result } from '../schema.js'

/** Numbers as base64 of their little-endian bytes, in the smallest type that holds them. */
export interface Column {
  readonly type: 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'f32'
  readonly data: string
}

export const verdicts = ['robust', 'broken', 'unknown'] as const
export const statuses = ['not-run', 'hit', 'exhausted', 'error'] as const

/** One value per record, in the order of the samples. NaN stands for null in columns of type f32, -1 in those of integers. */
export interface Records {
  readonly count: number
  readonly index: Column
  readonly label: Column
  readonly prediction: Column
  /** Position in `verdicts`. */
  readonly verdict: Column
  /** Position in the result's attacks. */
  readonly attack: Column
  readonly distance: Column
  readonly margin: Column
  readonly adversarialPrediction: Column
  /** One entry per attack of the result, in its order. */
  readonly attempts: readonly Attempts[]
}

export interface Attempts {
  /** Position in `statuses`. */
  readonly status: Column
  readonly forward: Column
  readonly gradient: Column
  /** Null when the attack recorded none. */
  readonly distance: Column | null
}

/** What the page needs to know of an attack beside its tally. */
export interface AttackFacts {
  readonly name: string
  readonly access: 'labels' | 'scores' | 'gradients'
  readonly kind: 'budget' | 'minimum'
  readonly paper: string | null
}

/**
 * Adversarial examples that can be looked at. The values themselves are in an element of their own beside the document
 * (`GallerySamples`), read when the gallery comes into view.
 */
export interface Gallery {
  readonly kind: 'image' | 'features'
  /** Of an image: channels, height, width, of the picture that is embedded; of features: their number. */
  readonly shape: readonly number[]
  /** Pixels of an image were averaged over squares of this side to keep the file small; 1: as they are. */
  readonly shrunk: number
  /** Values that black and white stand for. */
  readonly range: readonly [number, number]
  readonly featureNames: readonly string[] | null
  /** Position of each sample in the records. */
  readonly rows: Column
  /** Adversarial examples that the run holds; `rows` are these, or some of them spread evenly over the run. */
  readonly available: number
  /** Why there are no originals; null when they are there. */
  readonly withoutOriginals: string | null
  /** The searches behind the samples, in the order of `rows`; null for those that were not traced. */
  readonly traces: readonly (Trace | null)[]
}

/** The search of one sample, query by query. */
export interface Trace {
  /** Whether the repeated search came to the record of the run. */
  readonly reproduced: boolean
  readonly attacks: readonly {
    /** Position in the result's attacks. */
    readonly attack: number
    readonly queries: number
    /** Numbers of the queries that the columns tell of, from 1: all, or some spread evenly and the last. */
    readonly query: Column
    readonly margin: Column
    /** Null for an attack that asked for no gradient. */
    readonly loss: Column | null
    readonly distance: Column
  }[]
}

/**
 * One base64 text per sample of the gallery. Images: with originals one float32 (largest absolute change), the clean
 * pixels as bytes, the changes as int8 in 127ths of the largest; without, the adversarial pixels as bytes. Features: float32,
 * the clean values (when there are originals) and then the adversarial ones.
 */
export type GallerySamples = readonly string[]

export interface RunDocument {
  /** Short name for people, different for each run of a report. */
  readonly name: string
  /** ISO 8601, UTC; null when only the result is known. */
  readonly created: string | null
  readonly result: Result
  /** The command lines that made the run, and that replay it; null when only the result is known. */
  readonly command: string | null
  readonly replay: string | null
  readonly classNames: readonly string[] | null
  readonly attacks: readonly AttackFacts[]
  readonly records: Records | null
  readonly gallery: Gallery | null
}

export interface ReportDocument {
  readonly version: 1
  readonly tool: { readonly name: 'robustly'; readonly version: string }
  readonly runs: readonly RunDocument[]
}

/** A run as a renderer gets it. */
export interface RunData {
  readonly document: RunDocument
  readonly samples: GallerySamples
}

/** Elements of the page that hold data. */
export const elements = {
  document: 'report-data',
  samples: (run: number) => `gallery-data-${run}`,
} as const
