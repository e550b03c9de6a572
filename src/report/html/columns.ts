/** Records as columns. They are added one at a time; what is kept per record is a few numbers, never its adversarial example. */
import type { Attempt, SampleRecord } from '../../evaluate/record.js'
import { type Attempts, type Column, type Records, statuses, verdicts } from './document.js'

/** `attacks` are the names in the order of the result. */
export function startColumns(attacks: readonly string[]): { add(record: SampleRecord): void; result(): Records } {
  const position = new Map(attacks.map((name, at) => [name, at]))
  const columns = {
    index: [] as number[],
    label: [] as number[],
    prediction: [] as number[],
    verdict: [] as number[],
    attack: [] as number[],
    distance: [] as number[],
    margin: [] as number[],
    adversarialPrediction: [] as number[],
  }
  const attempts = attacks.map(() => ({
    status: [] as number[],
    forward: [] as number[],
    gradient: [] as number[],
    distance: [] as number[],
  }))
  return {
    add(record) {
      columns.index.push(record.index)
      columns.label.push(record.label)
      columns.prediction.push(record.prediction)
      columns.verdict.push(verdicts.indexOf(record.verdict))
      columns.attack.push(record.attack === null ? -1 : (position.get(record.attack) ?? -1))
      columns.distance.push(record.distance ?? Number.NaN)
      columns.margin.push(record.margin ?? Number.NaN)
      columns.adversarialPrediction.push(record.adversarialPrediction ?? -1)
      const byAttack = new Map<number, Attempt>()
      for (const attempt of record.attempts) byAttack.set(position.get(attempt.attack) ?? -1, attempt)
      attempts.forEach((into, at) => {
        const attempt = byAttack.get(at)
        into.status.push(statuses.indexOf(attempt?.status ?? 'not-run'))
        into.forward.push(attempt?.queries.forward ?? 0)
        into.gradient.push(attempt?.queries.gradient ?? 0)
        into.distance.push(attempt?.distance ?? Number.NaN)
      })
    },
    result: () => ({
      count: columns.index.length,
      index: integers(columns.index),
      label: integers(columns.label),
      prediction: integers(columns.prediction),
      verdict: integers(columns.verdict),
      attack: integers(columns.attack),
      distance: floats(columns.distance),
      margin: floats(columns.margin),
      adversarialPrediction: integers(columns.adversarialPrediction),
      attempts: attempts.map(
        ({ status, forward, gradient, distance }): Attempts => ({
          status: integers(status),
          forward: integers(forward),
          gradient: integers(gradient),
          distance: distance.every(Number.isNaN) ? null : floats(distance),
        }),
      ),
    }),
  }
}

const integerTypes = [
  { type: 'u8', bytes: 1, low: 0, high: 2 ** 8 - 1 },
  { type: 'i8', bytes: 1, low: -(2 ** 7), high: 2 ** 7 - 1 },
  { type: 'u16', bytes: 2, low: 0, high: 2 ** 16 - 1 },
  { type: 'i16', bytes: 2, low: -(2 ** 15), high: 2 ** 15 - 1 },
  { type: 'u32', bytes: 4, low: 0, high: 2 ** 32 - 1 },
  { type: 'i32', bytes: 4, low: -(2 ** 31), high: 2 ** 31 - 1 },
] as const

/** Throws RangeError for numbers that 32 bits do not hold. */
export function integers(values: readonly number[]): Column {
  let low = 0
  let high = 0
  for (const value of values) {
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  const found = integerTypes.find(type => low >= type.low && high <= type.high)
  if (found === undefined) throw new RangeError(`${low} to ${high} do not fit into 32 bits`)
  const bytes = Buffer.alloc(values.length * found.bytes)
  values.forEach((value, at) => {
    if (found.low < 0) bytes.writeIntLE(value, at * found.bytes, found.bytes)
    else bytes.writeUIntLE(value, at * found.bytes, found.bytes)
  })
  return { type: found.type, data: bytes.toString('base64') }
}

export function floats(values: readonly number[]): Column {
  const bytes = Buffer.alloc(values.length * 4)
  values.forEach((value, at) => void bytes.writeFloatLE(value, at * 4))
  return { type: 'f32', data: bytes.toString('base64') }
}
