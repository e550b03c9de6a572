/** What asking a service has cost: counts that add up over processes and sittings, and how long answers took. */

export interface Usage {
  /** Requests sent, further tries included. */
  readonly requests: number
  /** Rows sent in them. */
  readonly rows: number
  /** Requests sent again. */
  readonly retries: number
  /** Requests without a usable answer in the end. */
  readonly errors: number
  /** Bytes of bodies. */
  readonly bytesSent: number
  readonly bytesReceived: number
  /** Number of exchanges by time: the key is k for times up to step^k milliseconds. */
  readonly latencies: Readonly<Record<string, number>>
}

/** Ratio of one latency class to the next: quantiles are at most this much too large. */
const step = 1.1

export const noUsage: Usage = {
  requests: 0,
  rows: 0,
  retries: 0,
  errors: 0,
  bytesSent: 0,
  bytesReceived: 0,
  latencies: {},
}

export function addUsage(a: Usage, b: Usage): Usage {
  const latencies = { ...a.latencies }
  for (const [key, count] of Object.entries(b.latencies)) latencies[key] = (latencies[key] ?? 0) + count
  return {
    requests: a.requests + b.requests,
    rows: a.rows + b.rows,
    retries: a.retries + b.retries,
    errors: a.errors + b.errors,
    bytesSent: a.bytesSent + b.bytesSent,
    bytesReceived: a.bytesReceived + b.bytesReceived,
    latencies,
  }
}

/** The latency class of a time in milliseconds. */
export function latencyClass(milliseconds: number): string {
  return String(Math.max(0, Math.ceil(Math.log(Math.max(milliseconds, 1e-3)) / Math.log(step))))
}

/** Seconds within which this share of the exchanges was over; null when there was none. */
export function latencyQuantile({ latencies }: Usage, share: number): number | null {
  const classes = Object.entries(latencies)
    .map(([key, count]) => [Number(key), count] as const)
    .sort((a, b) => a[0] - b[0])
  const all = classes.reduce((sum, [, count]) => sum + count, 0)
  let below = 0
  for (const [key, count] of classes) {
    below += count
    if (below >= share * all) return step ** key / 1000
  }
  return null
}
