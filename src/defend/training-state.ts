/** Everything that changes in training from epoch to epoch, and its bytes: what `TrainOptions.resume` goes on from. */
import { z } from 'zod'
import { RobustlyError } from '../errors.js'
import type { Optimizer } from './optimizers.js'
import type { Trainable } from './trainable.js'

export interface EpochLog {
  /** From 1. */
  readonly epoch: number
  /** Of the epoch's last step. */
  readonly learningRate: number
  /** Of the epoch's last step; 0 where no adversary trains along. */
  readonly epsilon: number
  /** Mean of the objective over the epoch. */
  readonly loss: number
  /** On the held-out samples, 0 … 1; undefined without any, and robust without a threat. */
  readonly clean?: number | undefined
  readonly robust?: number | undefined
  readonly seconds: number
}

export interface TrainingState {
  /** Epochs done. */
  readonly epoch: number
  readonly weights: readonly Float32Array[]
  /** Of the optimiser, per weight. */
  readonly slots: readonly (readonly Float32Array[])[]
  /** Averaged weights; the same arrays as `weights` when nothing is averaged. */
  readonly averaged: readonly Float32Array[]
  /** The weights to give back. */
  readonly best: { readonly score: number; readonly epoch: number; readonly weights: readonly Float32Array[] }
  readonly log: readonly EpochLog[]
}

export type MutableState = { -readonly [K in keyof TrainingState]: TrainingState[K] }

export function firstState(start: Trainable, optimizer: Optimizer, averaging: boolean): MutableState {
  const weights = copied(start.weights.map(name => start.graph.initializers.get(name)!.load().data as Float32Array))
  const slots = weights.map(values => Array.from({ length: optimizer.slots }, () => new Float32Array(values.length)))
  const averaged = averaging ? copied(weights) : weights
  return { epoch: 0, weights, slots, averaged, best: { score: Number.NEGATIVE_INFINITY, epoch: 0, weights }, log: [] }
}

/** A state to go on from. Throws `config` when it belongs to another model, optimiser or averaging than `like`. */
export function resumedState(state: TrainingState, like: TrainingState): MutableState {
  const expected = layoutOf(like)
  const got = layoutOf(state)
  if (JSON.stringify(got) !== JSON.stringify(expected)) {
    throw new RobustlyError('config', 'the saved state of training belongs to another model or another optimizer', {
      hint: 'Resume with the options that training began with.',
    })
  }
  const weights = copied(state.weights)
  const averaged = expected.averaging ? copied(state.averaged) : weights
  return { ...state, weights, averaged, slots: state.slots.map(copied) }
}

const magic = 'robustly-training-1\n'

/** One line that names the format, one of JSON, then all arrays in the order of `arraysOf`, little-endian float32. */
export function encodeState(state: TrainingState): Uint8Array {
  const { epoch, log, best } = state
  const header = { ...layoutOf(state), epoch, log, best: { score: best.score, epoch: best.epoch } }
  const arrays = arraysOf(state).map(values => new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  return joined([new TextEncoder().encode(`${magic}${JSON.stringify(header)}\n`), ...arrays])
}

/** Throws `data-invalid` for bytes that `encodeState` did not write. */
export function decodeState(bytes: Uint8Array): TrainingState {
  const invalid = (why: string) =>
    new RobustlyError('data-invalid', `the saved state of training cannot be read: ${why}`)
  const start = new TextEncoder().encode(magic).length
  if (new TextDecoder().decode(bytes.subarray(0, start)) !== magic) throw invalid('it is something else')
  const end = bytes.indexOf(10, start)
  if (end < 0) throw invalid('it is cut off')
  const { lengths, slots, averaging, epoch, log, best } = readHeader(bytes.subarray(start, end), invalid)
  const copies = 2 + slots + Number(averaging)
  const wanted = 4 * copies * lengths.reduce((sum, length) => sum + length, 0)
  if (wanted !== bytes.length - end - 1) throw invalid(`${wanted} bytes were expected, got ${bytes.length - end - 1}`)
  const floats = new Float32Array(bytes.slice(end + 1).buffer)
  let at = 0
  const next = (length: number) => {
    at += length
    return floats.slice(at - length, at)
  }
  const take = () => lengths.map(next)
  const weights = take()
  const bestWeights = take()
  const averaged = averaging ? take() : weights
  const columns = Array.from({ length: slots }, take)
  const perWeight = lengths.map((_, i) => columns.map(column => column[i]!))
  return { epoch, log, weights, averaged, slots: perWeight, best: { ...best, weights: bestWeights } }
}

const size = z.int().min(0)

const headerSchema = z.object({
  lengths: z.array(size).min(1),
  slots: size.max(8),
  averaging: z.boolean(),
  epoch: size,
  best: z.object({ score: z.number(), epoch: size }),
  log: z.array(
    z.object({
      epoch: size,
      learningRate: z.number(),
      epsilon: z.number(),
      loss: z.number(),
      clean: z.number().optional(),
      robust: z.number().optional(),
      seconds: z.number(),
    }),
  ),
})

function readHeader(bytes: Uint8Array, invalid: (why: string) => RobustlyError): z.infer<typeof headerSchema> {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    throw invalid('its header is damaged')
  }
  const checked = headerSchema.safeParse(value)
  if (!checked.success) throw invalid('its header is damaged')
  return checked.data
}

interface Layout {
  readonly lengths: readonly number[]
  /** Arrays of the optimiser per weight. */
  readonly slots: number
  readonly averaging: boolean
}

function layoutOf({ weights, slots, averaged }: TrainingState): Layout {
  const lengths = weights.map(values => values.length)
  return { lengths, slots: slots[0]?.length ?? 0, averaging: averaged !== weights }
}

function arraysOf({ weights, best, averaged, slots }: TrainingState): readonly Float32Array[] {
  const columns = (slots[0] ?? []).flatMap((_, column) => slots.map(perWeight => perWeight[column]!))
  return [...weights, ...best.weights, ...(averaged === weights ? [] : averaged), ...columns]
}

function copied(arrays: readonly Float32Array[]): Float32Array[] {
  return arrays.map(values => values.slice())
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
