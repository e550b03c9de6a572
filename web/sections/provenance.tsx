/** Where the numbers come from, and how to get them again. */
import type { Run } from '../data/report.js'
import { grouped } from '../data/words.js'
import { Command } from '../parts/copy.js'
import { EachRun } from '../parts/runs.js'
import type { Section } from './section.js'

export const provenance: Section = {
  id: 'provenance',
  title: 'Provenance',
  shows: () => true,
  component: ({ report: { runs } }) => <EachRun runs={runs}>{run => <Facts run={run} />}</EachRun>,
}

function Facts({ run }: { readonly run: Run }) {
  const { result, document } = run
  const { model, data, runtime, tool, seed, surrogates = [] } = result
  const preparation = [
    ...(data.mean === null ? [] : [`mean ${data.mean.join(', ')}`]),
    ...(data.std === null ? [] : [`standard deviation ${data.std.join(', ')}`]),
    ...(run.noun === 'image' ? [`layout ${data.layout}`] : []),
  ]
  const rows: (readonly [string, string] | null)[] = [
    ['Run', run.name],
    document.created === null ? null : ['Started', `${document.created.slice(0, 19).replace('T', ' ')} UTC`],
    [
      'Model',
      [
        model.file,
        ...(model.parameters === null ? [] : [`${grouped(model.parameters)} parameters`]),
        `input ${model.inputShape.join(' × ')}`,
      ].join(', '),
    ],
    ['Model SHA-256', model.sha256],
    ...surrogates.flatMap(({ file, sha256 }) => [['Surrogate', file] as const, ['Surrogate SHA-256', sha256] as const]),
    ...model.notes.map(note => ['Prepared', note] as const),
    ['Data', `${data.file}, samples ${data.range[0]} to ${data.range[1] - 1}`],
    ['Data SHA-256', data.sha256],
    ['Enters the model', preparation.join('; ') || 'as it is'],
    data.decoder === null ? null : ['Decoder', data.decoder],
    ['Seed', String(seed)],
    [
      'Versions',
      `${tool.name} ${tool.version}, ONNX Runtime ${runtime.onnxruntime} (${runtime.engine}), Node ${runtime.node}`,
    ],
  ]
  return (
    <>
      <dl class="facts">
        {rows
          .filter(row => row !== null)
          .map(([name, text], at) => (
            <div key={at}>
              <dt>{name}</dt>
              <dd class={name.endsWith('256') ? 'hash' : ''}>{text}</dd>
            </div>
          ))}
      </dl>
      {document.command !== null && (
        <>
          <h3>The same run again</h3>
          <Command text={document.command} label={`Command that makes the run ${run.name}`} />
        </>
      )}
      {document.replay !== null && (
        <>
          <h3>Verify every adversarial example again, on the original model file</h3>
          <Command text={document.replay} label={`Command that replays the run ${run.name}`} />
        </>
      )}
    </>
  )
}
