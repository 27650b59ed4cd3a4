/**
 * Things to dispose together, the newest first: `DisposableStack` as far as tritune uses it. Node 22 has none, and one that
 * acts alike everywhere is shorter than telling where it does not.
 */
export class Disposables implements Disposable {
  #undo: (() => void)[] = []

  /** Takes over a disposable, if there is one, and gives it back. */
  use<T extends Disposable | null>(part: T): T {
    this.#undo.push(() => part?.[Symbol.dispose]())
    return part
  }

  /** Something to do at the end. */
  defer(undo: () => void): void {
    this.#undo.push(undo)
  }

  /** Everything in new hands; this one disposes nothing any more. */
  move(): Disposables {
    const moved = new Disposables()
    ;[moved.#undo, this.#undo] = [this.#undo, moved.#undo]
    return moved
  }

  /** Once; all of it, also when one fails. Then throws what failed, as an AggregateError where there are several. */
  dispose(): void {
    const errors: unknown[] = []
    for (const undo of this.#undo.splice(0).toReversed()) {
      try {
        undo()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length === 1) throw errors[0]
    if (errors.length > 1) throw new AggregateError(errors, 'several things could not be disposed')
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
