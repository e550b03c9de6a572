/** Everything that a data set holds open, closed together: when opening fails half-way, or by `Dataset.close`. */

export interface Closable {
  close(): Promise<void>
}

export interface Owner extends Closable {
  /** Takes over what has just been opened and gives it back. */
  own<T extends Closable>(opened: Promise<T>): Promise<T>
}

/** Runs `open`; when it throws, closes all that it had opened. Otherwise what it returns is in charge of closing. */
export async function owning<T>(open: (owner: Owner) => Promise<T>): Promise<T> {
  const owned: Closable[] = []
  const owner: Owner = {
    async own(opened) {
      const value = await opened
      owned.push(value)
      return value
    },
    async close() {
      await Promise.all(owned.map(each => each.close()))
    },
  }
  try {
    return await open(owner)
  } catch (error) {
    await owner.close()
    throw error
  }
}
