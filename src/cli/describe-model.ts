/** What `robustly inspect` says of a model file: one screen. */
import type { InspectedModel } from '../evaluate/facts.js'
import type { Standing } from '../evaluate/graph-facts.js'
import { findingsInWords } from '../evaluate/preflight.js'
import type { SuiteTimes } from '../evaluate/preflight-times.js'
import { printable } from '../printable.js'
import { grouped } from '../report/terminal.js'

type Dim = (text: string) => string
type Row = readonly [name: string, parts: readonly string[]]

/** Columns of a row that is broken. */
const width = 100

/** `dim` paints what is less important. */
export function describeModel(model: InspectedModel, dim: Dim): string {
  const notes = [
    ...model.notes.map(note => `  i ${printable(note)}`),
    ...(model.randomised ? ['  ! It draws at random: evaluate it with --suite rand.'] : []),
    ...model.warnings.map(text => `  ! ${printable(text)}`),
    ...(model.data === undefined ? [] : findingsInWords(model.data).map(text => `  ! ${text}`)),
  ]
  const verdict =
    model.missing.size === 0 && model.blackBox === undefined
      ? 'Attacks with gradients, scores and labels are possible.'
      : 'Only attacks with scores or labels are possible.'
  const blocks = [
    rowsIn(factRows(model), dim),
    [dim('  Operators'), ...rowsIn(operatorRows(model), dim)],
    model.times === undefined ? [] : timeTable(model.times, dim),
    notes,
    [`  ${verdict}`],
  ].filter(block => block.length > 0)
  return `\n${blocks.map(block => block.join('\n')).join('\n\n')}\n`
}

function rowsIn(rows: readonly Row[], dim: Dim): string[] {
  return rows.flatMap(([name, parts]) =>
    parts.map((part, at) => `  ${dim((at === 0 ? name : '').padEnd(10))}  ${part}`),
  )
}

function factRows(model: InspectedModel): Row[] {
  const { inputs, outputs, data, multiplyAdds, layout } = model
  const batch = inputs[0]?.shape?.[0]
  const free = typeof batch === 'number' ? `batch fixed to ${batch}, made free for attacks` : 'any batch'
  const producer = model.producer === '' ? 'not stated' : printable(model.producer)
  const cost = multiplyAdds === null ? '' : `; ${grouped(multiplyAdds)} multiply-adds per sample`
  const takes = [...(layout === null ? [] : [layout]), model.inputRange, ...(model.quantised ? ['quantised'] : [])]
  return [
    ['Model', [printable(model.file)]],
    ['Made by', [`${producer}, IR ${model.irVersion}, opset ${model.opset}`]],
    ['Input', [...inputs.map(shapeOf), free]],
    ['Output', [...outputs.map(shapeOf), `${model.classes} classes`]],
    ['Parameters', [`${grouped(model.parameters ?? 0)}${cost}`]],
    ['Takes', takes],
    ['Randomness', [randomness(model)]],
    ...(data === undefined
      ? []
      : ([['Data', [`${data.correct} of the first ${data.count} samples are classified correctly`]]] as Row[])),
    ['SHA-256', [model.sha256]],
    ['Engine', [`ONNX Runtime ${model.engine.version} (${model.engine.kind})`]],
  ]
}

function shapeOf({ name, dtype, typeText, shape }: InspectedModel['inputs'][number]): string {
  const dims = shape?.map(dim => (dim === undefined ? '?' : printable(String(dim), 20))).join(', ') ?? 'unknown'
  return `${printable(name, 40)}  ${typeText ?? dtype} [${dims}]`
}

function randomness({ draws, randomised }: InspectedModel): string {
  if (draws.length > 0) return draws.map(({ name, count }) => `${name} ${count}`).join(', ')
  return randomised ? 'two equal calls differ, though no operator draws at random' : 'none: two equal calls agree'
}

const standings: readonly Standing[] = ['gradient', 'surrogate', 'none']

function operatorRows({ operators }: InspectedModel): Row[] {
  return standings.flatMap((standing): Row[] => {
    const own = operators.filter(each => each.standing === standing)
    const texts = own.map(({ name, count }) => `${printable(name, 40)} ${grouped(count)}`)
    return own.length === 0 ? [] : [[standing, broken(texts)]]
  })
}

/** Joined by commas, in lines that fit. */
function broken(texts: readonly string[]): string[] {
  const lines: string[] = []
  for (const text of texts) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + text.length + 17 <= width) lines[lines.length - 1] = `${last}, ${text}`
    else lines.push(text)
  }
  return lines.map((line, at) => (at === lines.length - 1 ? line : `${line},`))
}

function timeTable({ samples, processes, suites }: SuiteTimes, dim: Dim): string[] {
  const norms = [...new Set(suites.map(({ norm }) => norm))]
  const names = [...new Set(suites.map(({ suite }) => suite))]
  const cell = (suite: string, norm: string) => {
    const found = suites.find(each => each.suite === suite && each.norm === norm)
    return (found === undefined ? '' : about(found.seconds)).padStart(10)
  }
  const on = `${processes} ${processes === 1 ? 'core' : 'cores'}`
  return [
    dim(
      `  The model's answers for ${grouped(samples)} samples on ${on} take at most (the attacks' own steps are extra):`,
    ),
    dim(`  ${''.padEnd(10)}${norms.map(norm => norm.padStart(10)).join('')}`),
    ...names.map(suite => `  ${dim(suite.padEnd(10))}${norms.map(norm => cell(suite, norm)).join('')}`.trimEnd()),
  ]
}

const units: readonly (readonly [name: string, seconds: number])[] = [
  ['days', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
]

/** An estimate: two digits. */
function about(seconds: number): string {
  const [name, unit] = units.find(([, size]) => seconds >= 1.5 * size) ?? units[units.length - 1]
  const value = seconds / unit
  return `${value < 9.95 ? value.toFixed(1) : grouped(Math.round(value))} ${name}`
}
