/** The table of data formats. The first that recognises a path opens it; any folder left over is an image folder. */

import type { Format } from './candidate.js'
import { cifar } from './cifar.js'
import { idx } from './idx.js'
import { imageFolder } from './image-folder.js'
import { npy } from './npy.js'
import { npz } from './npz.js'

export const formats: readonly Format[] = [npz, npy, idx, cifar, imageFolder]
