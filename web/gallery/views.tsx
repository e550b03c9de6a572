/** How an adversarial example looks: three pictures, or a table of features with the changed ones marked. */
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks'
import type { Run } from '../data/report.js'
import { significant } from '../data/words.js'
import { Scroller } from '../parts/scroller.js'
import { type Example, featureName, featuresOf, picturesOf } from './example.js'

interface ViewProps {
  readonly run: Run
  readonly example: Example
  /** Show everything, as large as it goes. */
  readonly large?: boolean
}

export function PicturesView({ run, example, large = false }: ViewProps) {
  const pictures = useMemo(() => picturesOf(run, example.at), [run, example.at])
  const { original, change, adversarial, largest } = pictures
  const name = `Sample ${example.index}`
  const said = run.className(example.prediction)
  return (
    <div class={large ? 'pictures large' : 'pictures'}>
      {original !== null && (
        <Picture image={original} title="original" text={`${name}, original: ${run.className(example.label)}`} />
      )}
      {change !== null && (
        <Picture
          image={change}
          title={`change ±${significant(largest)}`}
          text={`${name}, change, amplified so that full colour is plus or minus ${significant(largest)}`}
        />
      )}
      <Picture image={adversarial} title="adversarial" text={`${name}, adversarial: taken for ${said}`} />
    </div>
  )
}

function Picture({ image, title, text }: { readonly image: ImageData; readonly title: string; readonly text: string }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  useLayoutEffect(() => canvas.current?.getContext('2d')?.putImageData(image, 0, 0), [image])
  return (
    <span class="picture">
      <canvas ref={canvas} width={image.width} height={image.height} role="img" aria-label={text} />
      <span class="weak" aria-hidden="true">
        {title}
      </span>
    </span>
  )
}

const featuresOnCard = 5
/** More rows than this scroll. */
const longTable = 20

export function FeaturesView({ run, example, large = false }: ViewProps) {
  const { before, after } = useMemo(() => featuresOf(run, example.at), [run, example.at])
  const all = Array.from(after, (value, at) => ({ at, value, was: before?.[at] ?? Number.NaN }))
  const changes = ({ value, was }: { value: number; was: number }) => before !== null && value !== was
  const size = ({ value, was }: { value: number; was: number }) => Math.abs(value - was)
  const rows = large
    ? [...all].sort((a, b) => Number(changes(b)) - Number(changes(a)))
    : all
        .filter(row => before === null || changes(row))
        .sort((a, b) => (before === null ? a.at - b.at : size(b) - size(a)))
        .slice(0, featuresOnCard)
  const changed = all.filter(changes).length
  const table = (
    <table class={large ? 'features large' : 'features'}>
      <caption class={large ? 'weak' : 'hidden'}>
        {before === null ? 'adversarial values' : `${changed} of ${all.length} features changed`}
      </caption>
      <thead>
        <tr>
          <th scope="col">feature</th>
          {before !== null && <th scope="col">before</th>}
          <th scope="col">after</th>
          {before !== null && <th scope="col">change</th>}
        </tr>
      </thead>
      <tbody>
        {rows.map(row => (
          <tr key={row.at} class={changes(row) ? 'changed' : ''}>
            <th scope="row">
              {changes(row) && (
                <>
                  <span aria-hidden="true">● </span>
                  <span class="hidden">changed: </span>
                </>
              )}
              {featureName(run, row.at)}
            </th>
            {before !== null && <td>{significant(row.was)}</td>}
            <td>{significant(row.value)}</td>
            {before !== null && <td>{changes(row) ? signedText(row.value - row.was) : '–'}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  )
  if (large) {
    return (
      <Scroller label={`Features of sample ${example.index}`} tall={rows.length > longTable}>
        {table}
      </Scroller>
    )
  }
  return (
    <>
      {table}
      {changed > rows.length && <p class="weak more">and {changed - rows.length} more changed</p>}
    </>
  )
}

function signedText(value: number): string {
  return `${value < 0 ? '−' : '+'}${significant(Math.abs(value))}`
}
