/** The command line that asks for an evaluation again, from its specification. */
import { attacks } from '../../attacks/index.js'
import type { EvaluationSpec, PlannedAttack } from '../../evaluate/spec.js'
import { printable } from '../../printable.js'
import { quoted } from '../shell.js'

/** `shown` decides what of a path is told. */
export function commandOf(spec: EvaluationSpec, shown: (path: string) => string): string {
  const { model, data, threat, suite, attacks: planned, mode, seed, surrogateModels = [], draws } = spec
  const { mean, std, layout, scale, channels } = data.space
  const words: (string | readonly string[])[] = [
    ['robustly', 'evaluate', model.endpoint === undefined ? shown(model.path) : model.path],
    ...(model.endpoint?.protocol === 'json' ? [['--endpoint', 'ENDPOINT.json']] : []),
    ...surrogateModels.map(({ path }) => ['--surrogate', shown(path)]),
    ['--data', shown(data.path)],
    ['--samples', data.range.join(':')],
    ['--norm', threat.norm],
    ['--epsilon', threat.epsilonText],
    ['--box', threat.box === null ? 'none' : threat.box.join(':')],
    ...(mean === undefined ? [] : [['--mean', mean.join(',')]]),
    ...(std === undefined ? [] : [['--std', std.join(',')]]),
    ...(layout === undefined ? [] : [['--layout', layout]]),
    ...(scale === undefined ? [] : [['--scale', String(scale)]]),
    ...(channels === undefined ? [] : [['--channels', channels]]),
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

/** `pgd`, `pgd:steps=40,restarts=5`: what is as usual goes without saying. */
function wordOf({ name, options }: PlannedAttack): string {
  const usual = attacks.get(name)?.options.safeParse({})
  const defaults = (usual?.success ? usual.data : {}) as Record<string, unknown>
  const pairs = Object.entries((options ?? {}) as Record<string, unknown>)
    .filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(defaults[key]))
    .map(([key, value]) => `${key}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
  return pairs.length === 0 ? name : `${name}:${pairs.join(',')}`
}
