/** One program at a time in a run folder: a lock file that names its owner, and is taken over when the owner is gone. */
import { randomUUID } from 'node:crypto'
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'
import { unwritable } from './files.js'

interface Owner {
  readonly pid: number
  readonly host: string
  /** When the process started, in the system's own units: tells it from a later process of the same id. */
  readonly started: string | null
}

/** Takes the lock of a folder; gives back the function that releases it. Throws `run-locked` while another process has it. */
export function lockFolder(folder: string): () => void {
  const path = join(folder, 'lock')
  const draft = `${path}.${randomUUID()}`
  const own = JSON.stringify({ pid: process.pid, host: hostname(), started: startOf(process.pid) } satisfies Owner)
  try {
    writeFileSync(draft, own, { flag: 'wx' })
    for (let tries = 0; ; tries++) {
      if (linked(draft, path)) break
      const text = textOf(path) ?? ''
      const owner = ownerOf(text)
      if (tries > 5 || (owner !== undefined && isAlive(owner))) throw locked(folder, owner)
      removeStale(path, text)
    }
  } catch (error) {
    throw unwritable(path, error)
  } finally {
    rmSync(draft, { force: true })
  }
  return () => {
    if (textOf(path) === own) rmSync(path, { force: true })
  }
}

/** A hard link appears with its content, in one step, and never replaces a file. */
function linked(draft: string, path: string): boolean {
  try {
    linkSync(draft, path)
    return true
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EEXIST') return false
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS') throw error
  }
  try {
    writeFileSync(path, readFileSync(draft), { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Moves the stale lock away; when someone was quicker and the file is a new lock already, that one is put back. */
function removeStale(path: string, seen: string): void {
  const aside = `${path}.${randomUUID()}`
  try {
    renameSync(path, aside)
  } catch {
    return
  }
  if (textOf(aside) !== seen) linked(aside, path)
  rmSync(aside, { force: true })
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function ownerOf(text: string): Owner | undefined {
  try {
    const { pid, host, started } = JSON.parse(text) as Owner
    return Number.isSafeInteger(pid) && typeof host === 'string' ? { pid, host, started: started ?? null } : undefined
  } catch {
    return undefined
  }
}

/** Of a process on another machine nothing is known: it counts as alive. */
function isAlive({ pid, host, started }: Owner): boolean {
  if (host !== hostname()) return true
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  const now = startOf(pid)
  return started === null || now === null || now === started
}

/** Field 22 of /proc/PID/stat; the name before it is in parentheses and may hold anything. */
function startOf(pid: number): string | null {
  const stat = process.platform === 'linux' ? textOf(`/proc/${pid}/stat`) : undefined
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
}

function locked(folder: string, owner: Owner | undefined): RobustlyError {
  const who = owner === undefined ? 'another process' : `process ${owner.pid} on ${printable(owner.host, 80)}`
  const other = owner !== undefined && owner.host !== hostname()
  return new RobustlyError('run-locked', `the run folder ${printable(folder)} is in use by ${who}`, {
    hint: other
      ? `If nothing runs on that machine any more, remove the file "lock" in the folder.`
      : 'Wait for it to end, or choose another folder with --run.',
  })
}
