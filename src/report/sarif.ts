/**
 * SARIF 2.1.0, which code scanning reads: one rule for each class of weakness, one result for each finding, located in the model
 * file. Fingerprints stay the same from run to run, so that an alert is the same one as long as it lasts.
 */
import { createHash } from 'node:crypto'
import { attacks } from '../attacks/index.js'
import { printable } from '../printable.js'
import type { Outcome } from './gate/decide.js'
import { outcomeText } from './gate/words.js'
import type { Result } from './schema.js'
import { grouped, percent } from './terminal.js'

type Level = 'error' | 'warning' | 'note'

interface Rule {
  readonly id: string
  readonly name: string
  readonly says: string
  readonly help: string
  readonly level: Level
}

const rules = {
  requirement: {
    id: 'robustly/requirement',
    name: 'RequirementNotMet',
    says: 'A requirement on the robustness of the model is not met.',
    help: 'Harden the model, or evaluate more samples where the requirement is undecided.',
    level: 'error',
  },
  gradients: {
    id: 'robustly/evasion-with-gradients',
    name: 'EvasionWithGradients',
    says: 'An attacker who knows the model changes its answer by small changes of the input.',
    help: 'Train adversarially, or certify a radius. Do not rely on the model being secret.',
    level: 'warning',
  },
  scores: {
    id: 'robustly/evasion-by-scores',
    name: 'EvasionByScores',
    says: 'An attacker who sees the scores of the model changes its answer by small changes of the input.',
    help: 'Train adversarially. Hiding the scores makes the attack slower and does not prevent it.',
    level: 'warning',
  },
  labels: {
    id: 'robustly/evasion-by-labels',
    name: 'EvasionByLabels',
    says: 'An attacker who sees nothing but the class that the model names changes it by small changes of the input.',
    help: 'Train adversarially. Limiting queries makes the attack slower.',
    level: 'warning',
  },
  transfer: {
    id: 'robustly/evasion-by-transfer',
    name: 'EvasionByTransfer',
    says: 'Adversarial examples made on other models change the answer of this one.',
    help: 'Train adversarially, against examples of several models.',
    level: 'warning',
  },
  unknown: {
    id: 'robustly/without-verdict',
    name: 'WithoutVerdict',
    says: 'Samples have no verdict: the model gave no finite answer, or could not be asked.',
    help: 'Run again with --resume; look for operations that overflow.',
    level: 'warning',
  },
  number: {
    id: 'robustly/doubtful-number',
    name: 'DoubtfulNumber',
    says: 'Something speaks against taking a number of the evaluation at face value.',
    help: 'Do what the message says, then evaluate again.',
    level: 'note',
  },
} as const satisfies Record<string, Rule>

type RuleName = keyof typeof rules
const ruleNames = Object.keys(rules) as RuleName[]

interface Finding {
  readonly rule: RuleName
  readonly text: string
  /** Tells findings of one rule on one model apart, the same in every run. */
  readonly key: string
  readonly level?: Level
}

export function renderSarif(result: Result, outcomes: readonly Outcome[] = []): string {
  const findings = findingsOf(result, outcomes)
  const log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'robustly',
            semanticVersion: result.tool.version,
            rules: ruleNames.map(name => ruleOf(rules[name])),
          },
        },
        columnKind: 'utf16CodeUnits',
        artifacts: [{ location: { uri: uriOf(result.model.file) }, hashes: { 'sha-256': result.model.sha256 } }],
        results: findings.map(finding => resultOf(finding, result)),
        properties: {
          standardAccuracy: result.accuracy.standard.value,
          robustAccuracy: result.accuracy.robust.value,
          samples: result.data.count,
        },
      },
    ],
  }
  return `${JSON.stringify(log, null, 2)}\n`
}

function findingsOf(result: Result, outcomes: readonly Outcome[]): Finding[] {
  const { threat, data, unknown, warnings } = result
  const missed = outcomes.filter(({ status }) => status !== 'met')
  const breaking = result.attacks.filter(({ broken }) => broken > 0)
  return [
    ...missed.map((outcome): Finding => {
      const level = outcome.status === 'undecided' ? 'warning' : 'error'
      return { rule: 'requirement', text: outcomeText(outcome), key: outcome.requirement, level }
    }),
    ...breaking.map(({ name, attempted, broken, transfer, robustAfter }): Finding => {
      const left = `${percent(robustAfter / data.count, 2)} of all ${grouped(data.count)} samples left`
      const budget = `${threat.norm} epsilon ${threat.epsilon}`
      const text = `${name} breaks ${grouped(broken)} of ${grouped(attempted)} samples within ${budget}; ${left}.`
      const rule = transfer === undefined ? (attacks.get(name)?.access ?? 'scores') : 'transfer'
      return { rule, text, key: `${name} ${threat.norm} ${threat.epsilon}` }
    }),
    ...(unknown === 0
      ? []
      : [{ rule: 'unknown', text: `${grouped(unknown)} samples without a verdict.`, key: '' } as const]),
    ...warnings.map((text): Finding => ({ rule: 'number', text, key: text.replace(/\d+/g, '#') })),
  ]
}

function ruleOf({ id, name, says, help, level }: Rule) {
  return {
    id,
    name,
    shortDescription: { text: says },
    fullDescription: { text: says },
    help: { text: help },
    defaultConfiguration: { level },
  }
}

function resultOf({ rule, text, key, level }: Finding, { model, data }: Result) {
  const { id, level: usual } = rules[rule]
  const fingerprint = createHash('sha256')
    .update(JSON.stringify([id, model.file, data.file, key]))
    .digest('hex')
  return {
    ruleId: id,
    ruleIndex: ruleNames.indexOf(rule),
    level: level ?? usual,
    message: { text: plain(text) || 'without words' },
    locations: [{ physicalLocation: { artifactLocation: { uri: uriOf(model.file), index: 0 } } }],
    partialFingerprints: { 'robustly/v1': fingerprint },
  }
}

/** A message is plain text, but [a](b) and {0} in it mean links and placeholders (SARIF 3.11). */
function plain(text: string): string {
  return printable(text, 2000)
    .replace(/[[\]\\]/g, '\\$&')
    .replace(/[{}]/g, '$&$&')
}

/** A file's name as a relative reference: never a scheme, a host, or a way up. The address of an endpoint stays one, without what is secret. */
export function uriOf(name: string): string {
  const clean = printable(name).replace(/\p{Cs}/gu, '\ufffd') // where a long name was cut
  if (/^https?:\/\//i.test(clean) && URL.canParse(clean)) {
    const { origin, pathname } = new URL(clean)
    return `${origin}${pathname}`
  }
  const encoded = encodeURIComponent(clean)
  return /^\.*$/.test(encoded) ? 'model' : encoded
}
