/** `npm run docs:attacks`: writes docs/attacks.md. */
import { writeFileSync } from 'node:fs'
import { attackDocument } from './document.js'
import { measuredFile, readMeasured } from './measured.js'

const measured = readMeasured()
if (measured === undefined) throw new Error(`there is no ${measuredFile}: npm run docs:measure makes it`)
writeFileSync('docs/attacks.md', attackDocument(measured))
