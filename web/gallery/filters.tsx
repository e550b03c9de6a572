/** Which examples are shown, and in which order. */
import type { Run } from '../data/report.js'
import { significant } from '../data/words.js'
import type { Example } from './example.js'

export interface Filter {
  /** null: all. */
  readonly label: number | null
  readonly prediction: number | null
  readonly attack: string | null
  /** Share of the largest distance. */
  readonly most: number
  readonly order: keyof typeof orders
}

export const everything: Filter = { label: null, prediction: null, attack: null, most: 1, order: 'sample' }

const orders = {
  sample: { title: 'sample number', of: (example: Example) => example.index },
  near: { title: 'smallest distance', of: (example: Example) => example.distance },
  far: { title: 'largest distance', of: (example: Example) => -example.distance },
  sure: { title: 'most certain mistake', of: (example: Example) => example.margin },
} as const

export function filtered(examples: readonly Example[], filter: Filter): Example[] {
  const limit = filter.most >= 1 ? Number.POSITIVE_INFINITY : filter.most * largestDistance(examples)
  const key = orders[filter.order].of
  return examples
    .filter(
      ({ label, prediction, attack, distance }) =>
        (filter.label === null || label === filter.label) &&
        (filter.prediction === null || prediction === filter.prediction) &&
        (filter.attack === null || attack === filter.attack) &&
        !(distance > limit),
    )
    .sort((a, b) => key(a) - key(b) || a.index - b.index)
}

function largestDistance(examples: readonly Example[]): number {
  return examples.reduce((most, { distance }) => (distance > most ? distance : most), 0)
}

interface FiltersProps {
  readonly run: Run
  readonly examples: readonly Example[]
  readonly filter: Filter
  readonly change: (filter: Filter) => void
}

export function Filters({ run, examples, filter, change }: FiltersProps) {
  const labels = distinct(examples.map(({ label }) => label)).sort((a, b) => a - b)
  const predictions = distinct(examples.map(({ prediction }) => prediction)).sort((a, b) => a - b)
  const attacks = distinct(examples.map(({ attack }) => attack))
  const limit = filter.most * largestDistance(examples)
  return (
    <div class="filters">
      <Choice
        label="True class"
        value={filter.label}
        options={labels.map(label => [label, run.className(label)])}
        change={label => change({ ...filter, label })}
      />
      <Choice
        label="Taken for"
        value={filter.prediction}
        options={predictions.map(label => [label, run.className(label)])}
        change={prediction => change({ ...filter, prediction })}
      />
      <Choice
        label="Attack"
        value={filter.attack}
        options={attacks.map(name => [name, name])}
        change={attack => change({ ...filter, attack })}
      />
      <label>
        Distance at most {significant(limit)}
        <input
          type="range"
          min="0"
          max="1"
          step="0.01"
          value={filter.most}
          onInput={event => change({ ...filter, most: Number(event.currentTarget.value) })}
        />
      </label>
      <label>
        Order by
        <select
          value={filter.order}
          onChange={event => change({ ...filter, order: event.currentTarget.value as Filter['order'] })}
        >
          {Object.entries(orders).map(([key, { title }]) => (
            <option key={key} value={key}>
              {title}
            </option>
          ))}
        </select>
      </label>
    </div>
  )
}

interface ChoiceProps<Value> {
  readonly label: string
  readonly value: Value | null
  readonly options: readonly (readonly [Value, string])[]
  readonly change: (value: Value | null) => void
}

function Choice<Value extends string | number>({ label, value, options, change }: ChoiceProps<Value>) {
  const position = options.findIndex(([option]) => option === value)
  return (
    <label>
      {label}
      <select
        value={String(position)}
        onChange={event => change(options[Number(event.currentTarget.value)]?.[0] ?? null)}
      >
        <option value="-1">all</option>
        {options.map(([option, text], at) => (
          <option key={option} value={String(at)}>
            {text}
          </option>
        ))}
      </select>
    </label>
  )
}

function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)]
}
