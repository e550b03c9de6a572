/**
 * External data: tensors whose bytes lie in a file beside the model. This folder opens no file; whoever has a file
 * system passes a reader in. What a location may look like at all is decided here, for every reader.
 */
import { RobustlyError } from '../../errors.js'

export interface ExternalReader {
  /**
   * Throws RobustlyError when the file may not be read or does not hold `length` bytes from `offset` on. Called for
   * every external tensor while the model is decoded, before anything is allocated.
   */
  check(location: string, offset: number, length: number): void
  /** Exactly `length` bytes. Checks again: the file may have changed since. */
  read(location: string, offset: number, length: number): Uint8Array
}

const hint = 'external data must lie in the folder of the model file or below it, under a relative path'

/**
 * Refuses locations that cannot be a plain file below the model's folder, whatever the file system: absolute paths,
 * `..`, drive letters, backslashes, control characters, and ONNX Runtime's marker for addresses in memory.
 */
export function checkLocation(location: string, tensor: string): void {
  const reason = reasonAgainst(location)
  if (reason === undefined) return
  throw new RobustlyError(
    'model-unsafe',
    `tensor "${tensor}": the external data location ${JSON.stringify(location)} is refused: ${reason}`,
    { hint },
  )
}

function reasonAgainst(location: string): string | undefined {
  if (location === '') return 'it is empty'
  if (location.includes('_ORT_MEM_ADDR_')) return 'it stands for an address in memory, not for a file'
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(location)) return 'it holds control characters'
  if (location.includes('\\')) return 'it holds a backslash'
  if (/^[a-z][a-z0-9+.-]*:/i.test(location)) return 'it holds a drive letter or a URL scheme'
  if (location.startsWith('/')) return 'it is an absolute path'
  if (location.split('/').includes('..')) return 'it leads out of the folder of the model'
  return undefined
}
