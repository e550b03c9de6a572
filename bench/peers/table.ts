/** Numbers and lines of the table: pure functions of what was measured. */

import type { Verified } from './verify.js'

/** What a driver leaves of one run. */
export interface Answer {
  /** Wall seconds of prediction and attack, without loading. */
  readonly seconds: number
  /** Correct samples, and the ones left, as the tool itself sees them. */
  readonly clean: number
  readonly claimed: number
  readonly batch: number
  /** Share of the time inside ONNX Runtime; null for peers. */
  readonly runtimeShare: number | null
  readonly attacks: readonly {
    readonly name: string
    readonly seconds: number
    readonly attempted: number
    readonly robustAfter: number
    readonly queries: { readonly forward: number; readonly gradient: number }
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

export const titles = ['attack', 'tool', 'clean', 'left', 'median distance', 'seconds', 'times robustly', 'remarks']

/** One line for robustly, then one for each peer. */
export function linesOf(
  row: { readonly name: string; readonly kind: string },
  ours: Measured,
  peers: readonly Measured[],
): string[][] {
  const line = (one: Measured, name: string, ratio: string, remarks: readonly string[]) => [
    name,
    one.tool,
    String(one.verified.clean.filter(Boolean).length),
    String(left(one.verified)),
    row.kind === 'minimum' ? shown(medianDistance(one.verified)) : '',
    one.answer.seconds.toPrecision(3),
    ratio,
    remarks.filter(text => text !== '').join('; '),
  ]
  const shares = ours.answer.attacks.length < 2 ? [] : [sharesOf(ours.answer)]
  const inside = `${Math.round(100 * (ours.answer.runtimeShare ?? 0))} % inside ONNX Runtime`
  return [
    line(ours, row.name, '', [inside, ...shares, ...doubts(ours), `batch ${ours.answer.batch}`, ours.note]),
    ...peers.map(peer => {
      const [onlyOurs, onlyTheirs] = onlyBroken(ours.verified, peer.verified)
      const apart = onlyOurs.length + onlyTheirs.length
      const remarks =
        apart === 0 ? [] : [`broken by robustly only: ${onlyOurs.length}, by it only: ${onlyTheirs.length}`]
      const ratio = (peer.answer.seconds / ours.answer.seconds).toFixed(1)
      return line(peer, '', ratio, [...remarks, ...doubts(peer), `batch ${peer.answer.batch}`, peer.note])
    }),
  ]
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

function sharesOf({ attacks }: Answer): string {
  const total = attacks.reduce((sum, { seconds }) => sum + seconds, 0)
  return attacks
    .map(({ name, seconds, robustAfter }) => `${name} ${Math.round((100 * seconds) / total)} % (${robustAfter} left)`)
    .join(', ')
}

/** A Markdown table with its columns aligned. */
export function markdown(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map(line => line[column]!.length)))
  const render = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`
  return [render(head), `| ${widths.map(width => '-'.repeat(width)).join(' | ')} |`, ...lines.map(render)].join('\n')
}
