/** What asking a deployed model has cost. */
import { grouped, short, significant } from '../data/words.js'
import { EachRun } from '../parts/runs.js'
import type { Section } from './section.js'

export const service: Section = {
  id: 'service',
  title: 'What asking the service cost',
  shows: ({ runs }) => runs.some(({ result }) => result.endpoint !== undefined),
  component: ({ report: { runs } }) => (
    <EachRun runs={runs}>
      {({ result: { endpoint } }) =>
        endpoint === undefined ? (
          <p class="weak">The model is a file.</p>
        ) : (
          <dl class="facts">
            <dt>Requests</dt>
            <dd>
              {grouped(endpoint.requests)}, with {grouped(endpoint.rows)} samples in all
            </dd>
            <dt>Failures</dt>
            <dd>
              {grouped(endpoint.retries)} further tries, {grouped(endpoint.errors)} requests without an answer in the
              end
            </dd>
            <dt>Traffic</dt>
            <dd>
              {short(endpoint.bytesSent)}B sent, {short(endpoint.bytesReceived)}B received
            </dd>
            {endpoint.seconds !== null && (
              <>
                <dt>Time to the answer</dt>
                <dd>
                  median {milliseconds(endpoint.seconds.median)}, 90 % within {milliseconds(endpoint.seconds.p90)}, 99 %
                  within {milliseconds(endpoint.seconds.p99)}
                </dd>
              </>
            )}
          </dl>
        )
      }
    </EachRun>
  ),
}

function milliseconds(seconds: number): string {
  return `${significant(1000 * seconds)} ms`
}
