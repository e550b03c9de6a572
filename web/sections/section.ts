/** The contract of a section of the report. */
import type { ComponentType } from 'preact'
import type { Report } from '../data/report.js'

export interface Section {
  /** Its anchor in the page. */
  readonly id: string
  readonly title: string
  /** Whether the runs hold anything for it. */
  shows(report: Report): boolean
  readonly component: ComponentType<{ readonly report: Report }>
}
