/** Numbers and lines of the table: pure functions of what was measured. */

import type { Verified } from './verify.js'

/** What a driver leaves of one run. */
export interface Answer {
  /** Wall seconds of prediction and attack, without loading. */
  readonly seconds: number
  /** CPU seconds of the same stretch, which other programs on the machine do not lengthen; null where they cannot be had. */
  readonly cpuSeconds: number | null
  /** Correct samples, and the ones left, as the tool itself sees them. */
  readonly clean: number
  readonly claimed: number
  readonly batch: number
  /** Share of the time inside ONNX Runtime; null for peers. */
  readonly runtimeShare: number | null
  readonly attacks: readonly {
    readonly name: string
    readonly seconds: number
    /** Samples left after it; null where the tool does not say. */
    readonly left: number | null
    readonly queries?: { readonly forward: number; readonly gradient: number }
  }[]
}

/** One tool on one row and subject: the answer of its fastest batch size, and the verdict on its examples. */
export interface Measured {
  readonly tool: string
  readonly answer: Answer
  /** Wall seconds of the whole process less `answer.seconds`: imports, loading, compiling, calibrating. */
  readonly setup: number
  readonly verified: Verified
  readonly note: string
}

/** Median of the distances of the samples that were clean; Infinity when half of them have no adversarial example. */
export function medianDistance({ clean, distances }: Verified): number {
  const sorted = distances.filter((_, i) => clean[i]).toSorted((a, b) => a - b)
  if (sorted.length === 0) return Number.NaN
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Clean samples without an adversarial example that holds. */
export function left({ clean, distances }: Verified): number {
  return clean.filter((correct, i) => correct && distances[i] === Number.POSITIVE_INFINITY).length
}

/** Samples that only the first broke, and samples that only the second broke. */
export function onlyBroken(first: Verified, second: Verified): readonly [number[], number[]] {
  const broken = (one: Verified, other: Verified) =>
    one.distances.flatMap((distance, i) =>
      distance < other.distances[i]! && other.distances[i] === Infinity ? [i] : [],
    )
  return [broken(first, second), broken(second, first)]
}

export const titles = [
  'attack, samples',
  'tool',
  'clean',
  'left',
  'median distance',
  'seconds',
  'CPU seconds',
  'times robustly',
  'CPU ratio',
  'loading',
  'remarks',
]

/** One line for robustly, then one for each peer. */
export function linesOf(
  row: { readonly name: string; readonly kind: string },
  ours: Measured,
  peers: readonly Measured[],
): string[][] {
  const line = (one: Measured, name: string, ratios: readonly string[], remarks: readonly string[]) => [
    name,
    one.tool,
    String(one.verified.clean.filter(Boolean).length),
    String(left(one.verified)),
    row.kind === 'minimum' ? shown(medianDistance(one.verified)) : '',
    seconds(one.answer.seconds),
    seconds(one.answer.cpuSeconds),
    ...ratios,
    seconds(one.setup),
    [...remarks, ...doubts(one), ...sharesOf(one.answer), `batch ${one.answer.batch}`, one.note]
      .filter(text => text !== '')
      .join('; '),
  ]
  const inside = `${Math.round(100 * (ours.answer.runtimeShare ?? 0))} % inside ONNX Runtime`
  return [
    line(ours, row.name, ['', ''], [inside]),
    ...peers.map(peer => {
      const [onlyOurs, onlyTheirs] = onlyBroken(ours.verified, peer.verified)
      const apart = onlyOurs.length + onlyTheirs.length
      const remarks =
        apart === 0 ? [] : [`broken by robustly only: ${onlyOurs.length}, by it only: ${onlyTheirs.length}`]
      const ratios = [
        ratio(peer.answer.seconds, ours.answer.seconds),
        ratio(peer.answer.cpuSeconds, ours.answer.cpuSeconds),
      ]
      return line(peer, '', ratios, remarks)
    }),
  ]
}

function seconds(value: number | null): string {
  return value === null ? '' : value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

function ratio(theirs: number | null, ours: number | null): string {
  return theirs === null || ours === null ? '' : (theirs / ours).toFixed(1)
}

function shown(distance: number): string {
  return distance === Number.POSITIVE_INFINITY ? 'half not found' : distance.toPrecision(4)
}

/** Where a tool and the verifier disagree. */
function doubts({ answer, verified }: Measured): string[] {
  const clean = verified.clean.filter(Boolean).length
  const wrong: string[] = []
  if (answer.clean !== clean) wrong.push(`its conversion classifies ${answer.clean} correctly, not ${clean}`)
  if (answer.claimed !== left(verified)) wrong.push(`it counts ${answer.claimed} left`)
  if (verified.beyond > 1e-6) wrong.push(`an example lay ${verified.beyond.toPrecision(2)} outside the ball`)
  return wrong
}

/** Where the time of a suite goes. */
function sharesOf({ attacks }: Answer): string[] {
  if (attacks.length < 2) return []
  const total = attacks.reduce((sum, { seconds }) => sum + seconds, 0)
  const shares = attacks.map(({ name, seconds, left }) => {
    const share = `${name} ${Math.round((100 * seconds) / total)} %`
    return left === null ? share : `${share} (${left} left)`
  })
  return [shares.join(', ')]
}

/** A Markdown table with its columns aligned. */
export function markdown(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map(line => line[column]!.length)))
  const render = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`
  return [render(head), `| ${widths.map(width => '-'.repeat(width)).join(' | ')} |`, ...lines.map(render)].join('\n')
}
