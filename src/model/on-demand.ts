/** A session that is opened when it is first wanted: of a large model, one that nobody asks is half of the memory. */
import { RobustlyError } from '../errors.js'
import type { BoundRun, Session } from '../runtime/engine.js'

export interface OnDemand extends AsyncDisposable {
  /** The same run at every call. Rejects with what `create` rejects with, and after disposal. */
  open(): Promise<BoundRun>
  /** Wall seconds inside ONNX Runtime so far. */
  readonly runtimeSeconds: number
}

export function onDemand(create: () => Promise<Session>, bind: (session: Session) => BoundRun): OnDemand {
  let session: Session | undefined
  let run: Promise<BoundRun> | undefined
  let released = false
  const open = async () => {
    if (released) throw new RobustlyError('internal', 'the model was released before this query')
    session = await create()
    return bind(session)
  }
  return {
    open: () => {
      run ??= open()
      return run
    },
    get runtimeSeconds() {
      return session?.runtimeSeconds ?? 0
    },
    async [Symbol.asyncDispose]() {
      released = true
      await run?.catch(() => {})
      await session?.release()
    },
  }
}
