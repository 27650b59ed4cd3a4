/**
 * Runs a batch engine for texts that come at any time: those that find no free row wait in line, and between two passes the program does
 * everything else. How many may wait is decided by who lets them in (admission.ts).
 */
import type { BatchEngine, TextRequest, TextStep } from '../../generate/mod.ts'

/** What becomes of a text. */
export interface TextListener {
  onStep(step: TextStep): void
  /** The text could not be made; nothing more comes. */
  onError(error: unknown): void
}

/** Texts in line and texts in the engine. Disposing it ends all of them. */
export interface TextQueue extends Disposable {
  /** Texts that are being made. */
  readonly open: number
  /** Texts that wait for a row. */
  readonly waiting: number
  /** Takes a text; what it returns ends the text early and may be called at any time. */
  submit(request: TextRequest, listener: TextListener): () => void
}

interface Waiting {
  readonly request: TextRequest
  readonly listener: TextListener
}

/**
 * Passes run while there is work. The engine stays the caller's.
 *
 * @example
 * ```ts
 * import { openBatchEngine } from 'tritune/plugins/generate'
 * import { loadModel } from 'tritune/plugins/models'
 * import { createTextQueue } from 'tritune/plugins/serve'
 *
 * using model = loadModel('my-model')
 * using engine = openBatchEngine(model, { rows: 2, tokens: 32 })
 * using queue = createTextQueue(engine)
 * const ids: number[] = []
 * await new Promise<void>((resolve, reject) => {
 *   const onStep = ({ id, end }: { id: number | null; end: string | null }): void => {
 *     if (id !== null) ids.push(id)
 *     if (end !== null) resolve()
 *   }
 *   queue.submit({ prompt: [1, 5, 9], maxNewTokens: 4 }, { onStep, onError: reject })
 * })
 * console.log(ids.length) // → 4
 * ```
 */
export function createTextQueue(engine: BatchEngine): TextQueue {
  const line = new Set<Waiting>()
  const open = new Map<number, TextListener>()
  let isRunning = false
  let isOver = false

  const admit = (): void => {
    for (const one of line) {
      if (engine.free === 0) return
      line.delete(one)
      try {
        open.set(engine.add(one.request), one.listener)
      } catch (error) {
        one.listener.onError(error)
      }
    }
  }
  const pass = (): void => {
    let steps: readonly TextStep[]
    try {
      steps = engine.step()
    } catch (error) {
      // Nobody knows what of the pass was done: none of its texts can go on.
      for (const [text, listener] of open) {
        open.delete(text)
        engine.cancel(text)
        listener.onError(error)
      }
      return
    }
    for (const step of steps) {
      const listener = open.get(step.text)
      if (step.end !== null) open.delete(step.text)
      listener?.onStep(step)
    }
  }
  const run = (): void => {
    if (isOver) return
    admit()
    if (open.size > 0) pass()
    isRunning = line.size + open.size > 0
    // What came over the network is looked at between two passes.
    if (isRunning) setImmediate(run)
  }
  return {
    get open() {
      return open.size
    },
    get waiting() {
      return line.size
    },
    submit(request, listener) {
      const one = { request, listener }
      line.add(one)
      if (!isRunning) {
        isRunning = true
        setImmediate(run)
      }
      return () => {
        if (line.delete(one)) return
        for (const [text, own] of open) {
          if (own !== listener) continue
          open.delete(text)
          engine.cancel(text)
        }
      }
    },
    [Symbol.dispose]() {
      isOver = true
      for (const text of open.keys()) engine.cancel(text)
      open.clear()
      line.clear()
    },
  }
}
