/** The table of sections, in the order of the page. */
import { cascade } from './cascade.js'
import { classes } from './classes.js'
import { comparison } from './comparison.js'
import { confusions } from './confusion.js'
import { distanceCurves, queryCurves } from './curves.js'
import { diagnostics } from './diagnostics.js'
import { distributions } from './distributions.js'
import { gallery } from './gallery.js'
import { provenance } from './provenance.js'
import { requirements } from './requirements.js'
import type { Section } from './section.js'
import { service } from './service.js'
import { threat } from './threat.js'
import { warnings } from './warnings.js'

export const sections: readonly Section[] = [
  requirements,
  warnings,
  comparison,
  cascade,
  distanceCurves,
  queryCurves,
  diagnostics,
  service,
  classes,
  confusions,
  distributions,
  gallery,
  threat,
  provenance,
]
