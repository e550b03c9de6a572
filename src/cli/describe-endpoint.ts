/** What `robustly inspect` says of an endpoint. */
import type { InspectedEndpoint } from '../evaluate/endpoint-facts.js'
import { printable } from '../printable.js'
import { duration } from '../report/terminal.js'

/** `dim` paints what is less important. */
export function describeEndpoint(model: InspectedEndpoint, dim: (text: string) => string): string {
  const { endpoint, usage } = model
  const { rowsPerRequest, fixedRows } = endpoint
  const rows: [string, readonly string[]][] = [
    ['Endpoint', [printable(model.file)]],
    ['Protocol', [protocolOf(endpoint)]],
    ['Input', [`[${model.inputShape.join(', ')}], ${rowsText(rowsPerRequest, fixedRows)}`]],
    ['Output', [`${endpoint.kind} of ${model.classes} classes`]],
    [
      'Answers',
      [
        `${milliseconds(model.secondsPerAnswer)} to one row; asked for ${usage.rows} rows in ${usage.requests} requests`,
      ],
    ],
    ['SHA-256', [`${model.sha256} of address and description`]],
  ]
  const head = rows.flatMap(([name, parts]) =>
    parts.map((part, at) => `  ${dim((at === 0 ? name : '').padEnd(10))}  ${part}`),
  )
  const notes = [
    ...model.notes.map(note => `  i ${printable(note)}`),
    ...(model.randomised ? ['  ! equal requests get different answers: a verdict takes several'] : []),
    ...model.warnings.map(text => `  ! ${printable(text)}`),
  ]
  const verdict =
    endpoint.kind === 'labels'
      ? 'Attacks with labels are possible (--suite labels).'
      : 'Attacks with scores and labels are possible (--suite scores, --suite labels).'
  const blocks = [
    head,
    notes,
    [`  ${verdict}`, '  Attacks with gradients are possible on a surrogate (--surrogate FILE).'],
  ]
  return `\n${blocks
    .filter(block => block.length > 0)
    .map(block => block.join('\n'))
    .join('\n\n')}\n`
}

function protocolOf(endpoint: InspectedEndpoint['endpoint']): string {
  if (endpoint.protocol === 'json') return `JSON, rows at ${printable(endpoint.response, 60)}`
  const { input, output } = endpoint
  return `Open Inference Protocol v2, "${printable(input.name, 40)}" (${input.datatype}) to "${printable(output, 40)}"`
}

function rowsText(rows: number, fixed: boolean): string {
  if (fixed) return `exactly ${rows} row${rows === 1 ? '' : 's'} in a request`
  return rows === 1 ? 'one row in a request' : `up to ${rows} rows in a request`
}

function milliseconds(seconds: number): string {
  return seconds < 1 ? `${Math.round(1000 * seconds)} ms` : duration(seconds)
}
