/** The command line that asks for an evaluation again, from its specification. */
import { attacks } from '../../attacks/index.js'
import type { DataSpace, EvaluationSpec, PlannedAttack } from '../../evaluate/spec.js'
import { printable } from '../../printable.js'
import { quoted } from '../shell.js'

/** `shown` decides what of a path is told. */
export function commandOf(spec: EvaluationSpec, shown: (path: string) => string): string {
  const { model, data, threat, suite, attacks: planned, mode, seed, surrogateModels = [], draws } = spec
  const words: (string | readonly string[])[] = [
    ['robustly', 'evaluate', model.endpoint === undefined ? shown(model.path) : model.path],
    ...(model.endpoint?.protocol === 'json' ? [['--endpoint', 'ENDPOINT.json']] : []),
    ...surrogateModels.map(({ path, space = {} }) => ['--surrogate', withSaid(shown(path), entranceOf(space))]),
    ['--data', shown(data.path)],
    ['--samples', data.range.join(':')],
    ['--norm', threat.norm],
    ['--epsilon', threat.epsilonText],
    ['--box', threat.box === null ? 'none' : threat.box.join(':')],
    ...entranceOf(data.space).map(([key, value]) => [`--${key}`, value]),
    ...(threat.constraints === undefined ? [] : [['--constraints', 'CONSTRAINTS.json']]),
    ...(suite === 'custom' ? planned.map(attack => ['--attack', wordOf(attack)]) : [['--suite', suite]]),
    ...(mode === 'individual' ? [['--individual']] : []),
    ...(draws === undefined ? [] : [['--draws', String(draws)]]),
    ...(model.surrogates === undefined ? [] : [['--surrogate-gradients', model.surrogates]]),
    ['--seed', String(seed)],
  ]
  return words
    .flat()
    .map(word => quoted(printable(word, 2000)))
    .join(' ')
}

/** How data enter a model, as far as it is said: names and values of options. */
function entranceOf({ mean, std, layout, scale, channels }: DataSpace): (readonly [key: string, value: string])[] {
  return Object.entries({ mean, std, layout, scale, channels }).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, String(value)] as const],
  )
}

/** `name`, `name:key=value,…`. */
function withSaid(name: string, pairs: readonly (readonly [key: string, value: string])[]): string {
  return pairs.length === 0 ? name : `${name}:${pairs.map(pair => pair.join('=')).join(',')}`
}

/** `pgd`, `pgd:steps=40,restarts=5`: what is as usual goes without saying. */
function wordOf({ name, options }: PlannedAttack): string {
  const usual = attacks.get(name)?.options.safeParse({})
  const defaults = (usual?.success ? usual.data : {}) as Record<string, unknown>
  const pairs = Object.entries((options ?? {}) as Record<string, unknown>)
    .filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(defaults[key]))
    .map(([key, value]) => [key, typeof value === 'object' ? JSON.stringify(value) : String(value)] as const)
  return withSaid(name, pairs)
}
