/** `--print-config`: every option that has a value, and where it comes from. */
import { printable } from '../../printable.js'
import { withoutSecrets } from '../endpoint-options.js'
import { evaluateOptions } from './evaluate-options.js'
import type { Resolved } from './resolve.js'

export function printConfig({ settings, origins }: Resolved, { json }: { readonly json: boolean }): string {
  const values: Readonly<Record<string, unknown>> = settings
  const entries = Object.keys(evaluateOptions).flatMap(name => {
    const origin = origins.get(name)
    return origin === undefined ? [] : [{ name, value: hidden(values[name]), origin }]
  })
  if (json) {
    const named = entries.map(({ name, value, origin }) => [name, { value, origin }])
    return `${JSON.stringify(Object.fromEntries(named), null, 2)}\n`
  }
  const shown = entries.map(({ name, value, origin }) => [name, written(value), origin] as const)
  const widths = [0, 1].map(at => Math.max(...shown.map(row => row[at]!.length)))
  return shown
    .map(
      ([name, value, origin]) =>
        `${name.padEnd(widths[0]!)}  ${value.padEnd(Math.min(40, widths[1]!))}  ${printable(origin)}\n`,
    )
    .join('')
}

/** Addresses without what is secret in them, headers by their names alone. */
function hidden(value: unknown): unknown {
  if (typeof value === 'string') return withoutSecrets(value)
  if (Array.isArray(value)) return value.map(hidden)
  if (value === null || typeof value !== 'object') return value
  const entries = Object.entries(value).map(([name, inner]) => [
    name,
    name === 'headers' ? Object.keys(inner) : hidden(inner),
  ])
  return Object.fromEntries(entries)
}

function written(value: unknown): string {
  if (Array.isArray(value) && value.every(isWritten)) return printable(value.map(({ text }) => text).join('; '))
  return printable(typeof value === 'string' ? value : JSON.stringify(value))
}

/** What was parsed and keeps how it was written. */
const isWritten = (value: unknown): value is { readonly text: string } =>
  typeof value === 'object' && value !== null && 'text' in value && typeof value.text === 'string'
