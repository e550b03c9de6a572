/** From what people ask (paths, names, texts) to the specification of an evaluation, everything checked. */
import { readFileSync, statSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { attacks as attackTable } from '../attacks/index.js'
import type { Dataset } from '../data/dataset.js'
import { RobustlyError } from '../errors.js'
import { usualDraws } from '../evaluate/draws.js'
import type { DataSpace, EvaluationSpec, PlannedAttack } from '../evaluate/spec.js'
import { planAttacks, suiteNamed, suites } from '../evaluate/suite.js'
import type { ModelFacts } from '../evaluate/worker-api.js'
import type { Endpoint, Kind } from '../model/endpoint/schema.js'
import { printable } from '../printable.js'
import { sizeOf } from '../tensor/tensor.js'
import type { ConstraintSpec } from '../threat/constraints.js'
import { readConstraints } from '../threat/constraints-file.js'
import type { NormName } from '../threat/norm.js'
import { parseEpsilon } from '../threat/threat.js'
import { fileProblem } from './files.js'

/** A surrogate that takes samples in another way than the model. What it does not say is as for the model. */
export interface Surrogate extends DataSpace {
  readonly model: string
}

/** What decides the result of an evaluation. */
export interface Question extends DataSpace {
  /** Path of an .onnx file; of an endpoint its address. */
  readonly model: string
  /** What the model tells, where it is an endpoint. */
  readonly tells?: Kind | undefined
  /** Paths of .onnx files on which attacks by gradients run in place of the model; each perhaps with how samples enter it. */
  readonly surrogates?: readonly (string | Surrogate)[] | undefined
  /** Path of the data, as `openDataset` takes it. */
  readonly data: string
  /** Default Linf. */
  readonly norm?: NormName | undefined
  /** As it is to be shown: `8/255`. */
  readonly epsilon: string
  /** Default, unless attacks are given: quick; for an endpoint scores or labels, with surrogates transfer. */
  readonly suite?: string | undefined
  readonly attacks?: readonly PlannedAttack[] | undefined
  /**
   * Run every attack on every sample, instead of each on what the ones before it left standing. Default: only when all attacks
   * given search the smallest distance, which then are not stopped at epsilon.
   */
  readonly individual?: boolean | undefined
  /** First sample and the one after the last (default: to the end). Default: all. */
  readonly samples?: readonly [number, number | undefined] | undefined
  /** Default 0. */
  readonly seed?: number | undefined
  /** How often the model is asked about a point before there is a verdict. Default: 100 where it draws at random, else once. */
  readonly draws?: number | undefined
  /** Range of valid values; null: unbounded. Default: [0, 1] for images, unbounded for features. */
  readonly box?: readonly [number, number] | null | undefined
  /** Path of a JSON file with constraints of features. */
  readonly constraints?: string | undefined
  readonly allowHardlinks?: boolean | undefined
  /** What to do where the model's gradient is zero by nature; default on. */
  readonly surrogateGradients?: 'on' | 'off' | undefined
}

/** Everything but the hashes. Throws `config` and `usage` with what is wrong. */
export function planEvaluation(
  question: Question,
  dataset: Dataset,
): Omit<EvaluationSpec, 'model' | 'data'> & {
  readonly range: readonly [number, number]
} {
  const norm = question.norm ?? 'Linf'
  const { suite, attacks } = chosenAttacks(question, dataset)
  const planned = planAttacks(attacks, norm)
  checkSamples(planned, dataset)
  checkSurrogates(question, suite, planned)
  checkAccess(question, planned)
  const box = question.box === undefined ? (dataset.kind === 'image' ? ([0, 1] as const) : null) : question.box
  if (box !== null && !(box[0] < box[1] && Number.isFinite(box[0]) && Number.isFinite(box[1]))) {
    throw new RobustlyError(
      'config',
      `the box is ${box[0]}:${box[1]}, expected two finite numbers, the lower one first`,
    )
  }
  const { draws } = question
  if (draws !== undefined && (!Number.isSafeInteger(draws) || draws < 1)) {
    throw new RobustlyError('config', `${draws} draws were asked for, expected a whole number of one or more`)
  }
  const epsilon = parseEpsilon(question.epsilon)
  const constraints = question.constraints === undefined ? undefined : constraintsIn(question.constraints, dataset)
  if (epsilon === 0 && norm === 'Linf' && constraints?.rules.some(rule => rule.epsilon !== undefined)) {
    throw new RobustlyError('config', 'features have a radius of their own, and epsilon is 0', {
      hint: 'Distances are told as shares of these radii: give an epsilon above 0, and make the other features immutable.',
    })
  }
  const seed = question.seed ?? 0
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RobustlyError('config', `the seed is ${seed}, expected a whole number of zero or more`)
  }
  return {
    threat: {
      norm,
      epsilon,
      epsilonText: question.epsilon.trim(),
      box,
      ...(constraints !== undefined && { constraints }),
    },
    suite,
    attacks: planned,
    mode: (question.individual ?? measuresDistances(suite, planned)) ? 'individual' : 'cascade',
    seed,
    range: rangeOf(question.samples, dataset),
  }
}

export function specOf(
  question: Question,
  plan: ReturnType<typeof planEvaluation>,
  hashes: { readonly model: string; readonly surrogateModels: readonly string[]; readonly data: string },
  { randomised = false, endpoint }: Pick<ModelFacts, 'randomised'> & { readonly endpoint?: Endpoint },
): EvaluationSpec {
  const { range, threat, suite, attacks, mode, seed } = plan
  const draws = question.draws ?? (randomised ? usualDraws : 1)
  return {
    model: {
      path: endpoint?.url ?? resolve(question.model),
      sha256: hashes.model,
      ...(endpoint !== undefined && { endpoint }),
      ...(question.allowHardlinks && { allowHardlinks: true }),
      ...(question.surrogateGradients === 'off' && { surrogates: 'off' as const }),
    },
    ...(question.surrogates?.length && {
      surrogateModels: surrogatesOf(question).map(({ model, ...space }, at) => ({
        path: resolve(model),
        sha256: hashes.surrogateModels[at]!,
        ...(Object.keys(space).length > 0 && { space }),
        ...(question.allowHardlinks && { allowHardlinks: true }),
      })),
    }),
    data: { path: resolve(question.data), sha256: hashes.data, range, space: spaceIn(question) },
    threat,
    suite,
    attacks,
    mode,
    seed,
    ...(draws > 1 && { draws }),
  }
}

/** How data enter the model, of options that say more. */
export function spaceIn({ scale, channels, mean, std, layout }: DataSpace): DataSpace {
  const parts = Object.entries({ scale, channels, mean, std, layout })
  return Object.fromEntries(parts.filter(([, value]) => value !== undefined))
}

export function surrogatesOf({ surrogates = [] }: Pick<Question, 'surrogates'>): Surrogate[] {
  return surrogates.map(each => (typeof each === 'string' ? { model: each } : each))
}

function chosenAttacks(question: Question, dataset: Dataset): { suite: string; attacks: readonly PlannedAttack[] } {
  const { suite, attacks } = question
  if (attacks === undefined || attacks.length === 0) {
    const name = suite ?? usualSuite(question)
    const { byNorm = false, attacks: all } = suiteNamed(name)
    const { norm = 'Linf' } = question
    const fitting = all.filter(each => !byNorm || attackTable.get(each.name)?.norms.includes(norm))
    return { suite: name, attacks: fitting.filter(each => isPicture(dataset) || !needsPictures(each)) }
  }
  if (suite !== undefined) {
    throw new RobustlyError('usage', 'both a suite and attacks were given', {
      hint: 'Give --suite for a set that is known, or --attack for your own choice.',
    })
  }
  const twice = attacks.find((attack, at) => attacks.findIndex(other => other.name === attack.name) < at)
  if (twice !== undefined) {
    throw new RobustlyError('config', `attack ${twice.name} is given twice`, {
      hint: 'Numbers are kept by the name of the attack: make two runs, or give it more restarts.',
    })
  }
  return { suite: 'custom', attacks }
}

const isPicture = ({ kind, sampleShape }: Dataset) => kind === 'image' && sampleShape.length === 3
const needsPictures = ({ name, options }: PlannedAttack) => attackTable.get(name)?.pictures?.(options) ?? false

/** Throws `config` for attacks that make no sense of the samples. */
function checkSamples(planned: readonly PlannedAttack[], dataset: Dataset): void {
  const forPictures = isPicture(dataset) ? undefined : planned.find(needsPictures)
  if (forPictures !== undefined) {
    throw new RobustlyError(
      'config',
      `attack ${forPictures.name} with these options is for pictures, the samples have the shape [${dataset.sampleShape}]`,
      {
        hint: 'Attacks for samples of any shape: pgd, apgd-ce, fab, square, hop-skip-jump; pictures are stored as [N, C, H, W].',
      },
    )
  }
}

function measuresDistances(suite: string, planned: readonly PlannedAttack[]): boolean {
  return suite === 'custom' && planned.every(({ name }) => attackTable.get(name)?.kind === 'minimum')
}

function usualSuite({ tells, surrogates = [] }: Question): string {
  if (tells === undefined) return 'quick'
  if (surrogates.length > 0) return 'transfer'
  return tells === 'labels' ? 'labels' : 'scores'
}

/** An endpoint gives no gradients, and one that tells labels no scores. */
function checkAccess({ tells, surrogates = [] }: Question, planned: readonly PlannedAttack[]): void {
  if (tells === undefined) return
  for (const { name } of planned) {
    const access = attackTable.get(name)?.access
    if (access === 'gradients' && surrogates.length === 0) {
      throw new RobustlyError('config', `attack ${name} needs gradients, which an endpoint does not give`, {
        hint: `Choose --suite ${tells === 'labels' ? 'labels' : 'scores or labels'}, or a model file to craft on with --surrogate FILE.`,
      })
    }
    if (access === 'scores' && tells === 'labels') {
      throw new RobustlyError('config', `attack ${name} needs scores, and the endpoint tells labels only`, {
        hint: 'Choose --suite labels.',
      })
    }
  }
}

function checkSurrogates({ surrogates = [] }: Question, suite: string, planned: readonly PlannedAttack[]): void {
  if (surrogates.length === 0 && suites.get(suite)?.needsSurrogates) {
    throw new RobustlyError('usage', `the suite ${suite} needs at least one surrogate`, {
      hint: 'Add --surrogate FILE: a model for the same classes that an adversary could have.',
    })
  }
  if (surrogates.length > 0 && !planned.some(({ name }) => attackTable.get(name)?.access === 'gradients')) {
    throw new RobustlyError('usage', 'surrogates were given, but no attack that would run on them', {
      hint: 'Add an attack by gradients made for transfer, such as --attack mi-fgsm.',
    })
  }
}

const largestConstraints = 16 * 2 ** 20

function constraintsIn(path: string, { sampleShape, featureNames }: Dataset): ConstraintSpec {
  let text: string
  try {
    if (statSync(path).size > largestConstraints) throw new Error('it is too large')
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new RobustlyError('config', `cannot read the constraints ${printable(path)}: ${fileProblem(error)}`)
  }
  return readConstraints(text, { count: sizeOf(sampleShape), names: featureNames }, basename(path))
}

function rangeOf(samples: Question['samples'], { count, name }: Dataset): readonly [number, number] {
  const [start, end = count] = samples ?? [0, count]
  const whole = Number.isSafeInteger(start) && Number.isSafeInteger(end)
  if (!whole || start < 0 || start >= end || end > count) {
    throw new RobustlyError('config', `samples ${start}:${end} were asked for, ${name} has 0:${count}`, {
      hint: 'A range is START:END with the sample after the last one as END, as in --samples 0:1000.',
    })
  }
  return [start, end]
}
