/** What the adversary was allowed, in plain language. */
import { constraintsText } from '../../src/report/constraints.js'
import type { Run } from '../data/report.js'
import { accessOf, attackers, epsilonText, grouped, normWords, significant } from '../data/words.js'
import { EachRun } from '../parts/runs.js'
import type { Section } from './section.js'

export const threat: Section = {
  id: 'threat-model',
  title: 'Threat model',
  shows: () => true,
  component: ({ report: { runs } }) => <EachRun runs={runs}>{run => <Card run={run} />}</EachRun>,
}

function Card({ run }: { readonly run: Run }) {
  const { result, attacks, noun } = run
  const { threat, surrogates, suite, draws } = result
  const kept = constraintsText(threat)
  const part = noun === 'image' ? 'pixel value' : 'feature'
  const steps =
    noun === 'image' && threat.norm === 'Linf' && threat.box !== null
      ? ` Of 256 grey levels that is ${significant((255 * threat.epsilonValue) / (threat.box[1] - threat.box[0]))}.`
      : ''
  return (
    <dl class="facts">
      <dt>Goal</dt>
      <dd>Make the model answer with any class but the true one.</dd>
      <dt>Change</dt>
      <dd>
        The adversary {normWords[threat.norm](epsilonText(run), part)} ({threat.norm}).{steps}{' '}
        {threat.box === null
          ? kept === undefined
            ? 'Values have no limits besides.'
            : ''
          : `Values stay between ${significant(threat.box[0])} and ${significant(threat.box[1])}.`}
        {kept !== undefined && ` Every change keeps the constraints of the features: ${kept}.`}
      </dd>
      <dt>Knowledge</dt>
      <dd>
        The adversary knows {attackers[accessOf(run)].knows}.
        {surrogates !== undefined && ` Surrogates: ${surrogates.map(({ file }) => file).join(', ')}.`}
      </dd>
      <dt>Attacks</dt>
      <dd>
        {suite === 'custom' ? 'Chosen for this run.' : `The suite “${suite}”.`}
        <ul class="plain">
          {attacks.map(({ name, paper }) => (
            <li key={name}>
              <b>{name}</b> {paper !== null && <span class="weak">{paper}</span>}
            </li>
          ))}
        </ul>
      </dd>
      <dt>Proof</dt>
      <dd>
        {noun === 'image' ? 'An image' : 'A sample'} counts as fooled only when an input inside these limits is
        misclassified by the original model file. {grouped(result.data.count)} {noun}s were attacked.
        {draws !== undefined &&
          ` The model draws at random: it was asked ${grouped(draws)} times about each point, and most answers decide.`}
      </dd>
    </dl>
  )
}
