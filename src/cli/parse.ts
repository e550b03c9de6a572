/** Option values as people write them. Every reader throws a message that says what was expected. */
import { InvalidArgumentError } from 'commander'
import type { z } from 'zod'
import type { PlannedAttack } from '../evaluate/spec.js'
import type { NormName } from '../threat/norm.js'

const fail = (expected: string): never => {
  throw new InvalidArgumentError(`Expected ${expected}.`)
}

export function whole(least: number): (text: string) => number {
  return text => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    return value >= least ? value : fail(`a whole number of at least ${least}`)
  }
}

export function seconds(text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0
  return value > 0 && value <= 1e6 ? value : fail('a number of seconds, more than 0')
}

/** `0:1000`, `500:`, `:100`. */
export function range(text: string): [number, number | undefined] {
  const match = /^(\d{0,15}):(\d{0,15})$/.exec(text)
  if (match === null) return fail('START:END such as 0:1000, 500: or :100')
  return [Number(match[1]), match[2] === '' ? undefined : Number(match[2])]
}

/** `3,17`. */
export function indices(text: string): number[] {
  const values = text.split(',').map(word => (/^\s*\d{1,15}\s*$/.test(word) ? Number(word) : Number.NaN))
  return values.some(Number.isNaN) ? fail('positions in the data separated by commas, such as 3,17') : values
}

export function numbers(text: string): number[] {
  const values = text.split(',').map(decimal)
  return values.some(Number.isNaN) ? fail('numbers separated by commas, such as 0.49,0.48,0.45') : values
}

export function positive(text: string): number {
  const value = decimal(text)
  return value > 0 && Number.isFinite(value) ? value : fail('a number of more than 0')
}

/** `0:1` or `none`. */
export function box(text: string): [number, number] | null {
  if (text === 'none') return null
  const [low, high, ...more] = text.split(':').map(decimal)
  if (low === undefined || high === undefined || more.length > 0 || !(low < high))
    return fail('LOW:HIGH such as 0:1, or none')
  return [low, high]
}

const norms: Readonly<Record<string, NormName>> = {
  linf: 'Linf',
  'l∞': 'Linf',
  inf: 'Linf',
  l2: 'L2',
  l1: 'L1',
  l0: 'L0',
}

export function norm(text: string): NormName {
  const key = text.toLowerCase()
  return Object.hasOwn(norms, key) ? norms[key]! : fail('Linf, L2, L1 or L0')
}

/** Bytes: `2GB`, `512MB`, `1.5GiB`. */
export function bytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?$/i.exec(text)
  if (match === null) return fail('an amount of memory such as 2GB')
  const power = ['', 'k', 'm', 'g', 't'].indexOf(match[2]!.toLowerCase())
  const value = Math.floor(Number(match[1]) * (match[3] === '' ? 1000 : 1024) ** power)
  return value >= 2 ** 26 && Number.isSafeInteger(value) ? value : fail('at least 64MB')
}

/** `pgd`, `pgd:steps=40,restarts=5`; may be given several times. */
export function attack(text: string, before: readonly PlannedAttack[] = []): PlannedAttack[] {
  const colon = text.indexOf(':')
  const name = colon < 0 ? text : text.slice(0, colon)
  const pairs = colon < 0 ? [] : text.slice(colon + 1).split(',')
  const options = new Map<string, unknown>()
  for (const pair of pairs) {
    const equals = pair.indexOf('=')
    if (equals < 1) return fail('NAME or NAME:key=value,… such as pgd:steps=40,restarts=5')
    options.set(pair.slice(0, equals).trim(), scalar(pair.slice(equals + 1).trim()))
  }
  return [...before, { name: name.trim(), options: Object.fromEntries(options) }]
}

/**
 * `other.onnx:mean=0.49,0.48,0.45,layout=NHWC` as its name and values, numbers as numbers; undefined where nothing is said behind a
 * name. Commas that no key follows belong to the value.
 */
export function saidOf(text: string): { readonly name: string; readonly values: object } | undefined {
  const [, name, said] = /^(.+?):([a-z]+=.*)$/s.exec(text) ?? []
  if (name === undefined || said === undefined) return undefined
  const pairs = said.split(/,(?=[a-z]+=)/).map(pair => {
    const equals = pair.indexOf('=')
    return [pair.slice(0, equals), scalar(pair.slice(equals + 1))]
  })
  return { name, values: Object.fromEntries(pairs) as object }
}

/** What a schema takes, numbers as numbers. */
export function checked<Value>(schema: z.ZodType<Value>, value: unknown): Value {
  const result = schema.safeParse(/^\d+(\.\d+)?$/.test(String(value)) ? Number(value) : value)
  if (result.success) return result.data
  const { path, message } = result.error.issues[0]!
  throw new InvalidArgumentError(`${[...path, message].join(': ')}.`)
}

export function list(text: string, before: readonly string[] = []): string[] {
  return [...before, text]
}

function scalar(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true'
  const value = decimal(text)
  return Number.isNaN(value) ? text : value
}

function decimal(text: string): number {
  return /^\s*[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?\s*$/i.test(text) ? Number(text) : Number.NaN
}
