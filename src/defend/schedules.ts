/** How the learning rate changes: a factor on it for every progress from 0 (the first step) towards 1 (after the last). */

export type ScheduleOptions =
  | { readonly schedule: 'constant' }
  /** Multiplied by `factor` at each of the points of progress. */
  | { readonly schedule: 'step'; readonly at: readonly number[]; readonly factor?: number }
  | { readonly schedule: 'cosine'; readonly warmUp?: number }
  /** Up to the full rate until `peak`, then down to zero, both in a straight line. */
  | { readonly schedule: 'one-cycle'; readonly peak?: number }

export type Schedule = (progress: number) => number

type Make<S extends ScheduleOptions['schedule']> = (options: Extract<ScheduleOptions, { schedule: S }>) => Schedule

const table: { readonly [S in ScheduleOptions['schedule']]: Make<S> } = {
  constant: () => () => 1,
  step:
    ({ at, factor = 0.1 }) =>
    progress =>
      factor ** at.filter(point => progress >= point).length,
  // Loshchilov and Hutter: SGDR, ICLR 2017; `warmUp` is the share of the steps that climbs in a straight line first.
  cosine:
    ({ warmUp = 0 }) =>
    progress =>
      progress < warmUp ? progress / warmUp : (1 + Math.cos((Math.PI * (progress - warmUp)) / (1 - warmUp))) / 2,
  // Smith and Topin: Super-convergence, 2018, without its last phase
  'one-cycle':
    ({ peak = 0.3 }) =>
    progress =>
      progress < peak ? progress / peak : (1 - progress) / (1 - peak),
}

export function makeSchedule(options: ScheduleOptions): Schedule {
  return (table[options.schedule] as Make<ScheduleOptions['schedule']>)(options)
}
