/** The table of data formats. The first that recognises a path opens it; any folder left over is an image folder. */

import type { Format } from './candidate.js'
import { cifar } from './cifar.js'
import { csv } from './csv.js'
import { idx } from './idx.js'
import { imageFolder } from './image-folder.js'
import { npy } from './npy.js'
import { npz } from './npz.js'
import { parquet } from './parquet.js'

export const formats: readonly Format[] = [npz, npy, idx, cifar, parquet, csv, imageFolder]
