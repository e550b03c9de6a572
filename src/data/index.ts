/** The table of data formats. The first that recognises a path opens it. */

import type { Format } from './candidate.js'
import { cifar } from './cifar.js'
import { idx } from './idx.js'
import { npy } from './npy.js'
import { npz } from './npz.js'

export const formats: readonly Format[] = [npz, npy, idx, cifar]
