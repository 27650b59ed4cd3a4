/**
 * Threads of a WebAssembly library: workers that run the same module on the same memory, each on a stack of its own. They
 * stay until the process or page ends, and hold neither up.
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

/** Starts a worker; true when that could be asked for. The worker runs even while this thread is busy, except in pages. */
export function startThread(start: ThreadStart): boolean {
  try {
    const { process } = globalThis
    if (typeof process === 'object' && typeof process.getBuiltinModule === 'function') startWithNode(start)
    else startInPage(start)
    return true
  } catch {
    // The pool goes on with the threads that it has.
    return false
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

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

/** Bun, Deno and Node. */
function startWithNode(start: ThreadStart): void {
  const { Worker } = process.getBuiltinModule('node:worker_threads')
  const text = `(${runThread.toString()})(require('node:worker_threads').workerData)`
  const worker = new Worker(text, { eval: true, workerData: start })
  worker.unref()
}

function startInPage(start: ThreadStart): void {
  const text = `onmessage = ({ data }) => (${runThread.toString()})(data)`
  const url = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }))
  const worker = new Worker(url)
  worker.postMessage(start, [])
  URL.revokeObjectURL(url)
}
