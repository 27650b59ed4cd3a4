/**
 * Threads of a WebAssembly library: workers that run the same module on the same memory, each on a stack of its own. They stay until the
 * process or page ends, and hold neither up.
 */

/** What a thread is started with; all of it can be sent to a worker. */
export interface ThreadStart {
  readonly module: WebAssembly.Module
  readonly memory: WebAssembly.Memory
  /** What `tritune_thread` gets. */
  readonly start: number
  /** End of its stack. */
  readonly stack: number
  /** Start of its thread-local variables. */
  readonly locals: number
}

/** Whoever gives workers. */
export interface Workers {
  /** False: there is none. A worker that was given runs the thread soon, even while the caller is busy. */
  run(start: ThreadStart): boolean
}

/** Whether this is Bun, Deno or Node, whose workers come up while the thread that asked for them waits. */
export function hasOwnWorkers(): boolean {
  const { process } = globalThis
  return typeof process === 'object' && typeof process.getBuiltinModule === 'function'
}

/** Workers of Bun, Deno and Node, as many as are asked for. */
export function ownWorkers(): Workers {
  return {
    run(start) {
      const { Worker } = process.getBuiltinModule('node:worker_threads')
      const text = `(${runThread.toString()})(require('node:worker_threads').workerData)`
      try {
        new Worker(text, { eval: true, workerData: start }).unref()
        return true
      } catch {
        // The pool goes on with the threads that it has.
        return false
      }
    },
  }
}

/**
 * Workers of a page. A browser starts them only while the thread that asked for them is at rest, so they are made beforehand; those that
 * do not answer within some seconds are done without.
 */
export async function pageWorkers(count: number): Promise<Workers & { readonly count: number }> {
  // The answer comes after the script has run: what is sent to a worker before that waits for this thread to be at rest.
  const text = `onmessage = ({ data }) => (${runThread.toString()})(data); setTimeout(() => postMessage(0))`
  const url = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }))
  const made = await Promise.all(Array.from({ length: count }, () => awake(url)))
  URL.revokeObjectURL(url)
  const idle = made.filter((worker) => worker !== null)
  return {
    count: idle.length,
    run(start) {
      const worker = idle.pop()
      worker?.postMessage(start, [])
      return worker !== undefined
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const PATIENCE = 5000

/** A worker that has said that it is there. */
function awake(url: string): Promise<Worker | null> {
  return new Promise((resolve) => {
    const worker = new Worker(url)
    const end = (answer: Worker | null): void => {
      clearTimeout(timer)
      if (answer === null) worker.terminate()
      resolve(answer)
    }
    const timer = setTimeout(() => end(null), PATIENCE)
    worker.addEventListener('message', () => end(worker))
    worker.addEventListener('error', () => end(null))
  })
}

/** Everything that a worker runs. It stands alone: its text is sent. */
function runThread({ module, memory, start, stack, locals }: ThreadStart): void {
  const env = { memory, now: () => performance.now(), start_thread: () => 0 }
  const { exports } = new WebAssembly.Instance(module, { env })
  const { __stack_pointer: pointer, __wasm_init_tls: useLocals, tritune_thread: run } = exports
  if (pointer instanceof WebAssembly.Global && typeof useLocals === 'function' && typeof run === 'function') {
    pointer.value = stack
    useLocals(locals)
    run(start)
  }
}
