/** The command line without a process of its own: for what ends before any model runs. */
import { runProgram } from '../../src/cli/program.js'
import type { Ended } from './digits.js'

export async function inProcess(
  words: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const texts = { stdout: '', stderr: '' }
  const stream = (name: keyof typeof texts) => {
    const write = (text: string) => {
      texts[name] += text
      return true
    }
    return { write } as unknown as NodeJS.WriteStream
  }
  const code = await runProgram(words, {
    stdin: process.stdin,
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    variables,
    platform: process.platform,
    argv: words,
    signal: new AbortController().signal,
  })
  return { ...texts, code, signal: null }
}
