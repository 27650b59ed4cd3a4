/**
 * One JSON object a line on stdout, for programs, and nothing else there.
 *
 * The lines are written by a thread (json-writer.ts): a reader that is slow or stands still never holds up the work, and one
 * that went away is nobody to tell. What waits for a slow reader is limited; beyond that, lines that may be missed are, and
 * a line says how many. Other output of this process (a plugin's `console.log`) goes to stderr meanwhile.
 */
import { Worker } from 'node:worker_threads'
import { siblingModule } from '../_sibling.ts'
import { err, out } from './streams.ts'

export interface JsonLines {
  /** `droppable`: may be left out when too much waits already. */
  write(line: object, options?: { readonly droppable?: boolean }): void
  /** Resolves when everything is written, or nobody reads any more. */
  close(): Promise<void>
}

/** Bytes that may wait for the reader before lines are left out. */
const MOST_WAITING = 32 << 20

/** Of the array that both threads have: bytes that wait. */
export const WAITING = 0

export interface WriterData {
  readonly shared: Int32Array<SharedArrayBuffer>
}

/** The last message of the main thread, and the answer to it: what came before is written. */
export const END = null

let opened: JsonLines | null = null

/** The one of this process; opened when it is first asked for, closed by `closeJson()`. */
export function jsonLines(): JsonLines {
  return (opened ??= openJsonLines())
}

/** One line, also where no lines were opened. */
export function writeJson(line: object): void {
  if (opened) opened.write(line)
  else out.write(textOf(line))
}

export async function closeJson(): Promise<void> {
  await opened?.close()
  opened = null
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function openJsonLines(): JsonLines {
  claimStdout()
  const shared = new Int32Array(new SharedArrayBuffer(4))
  const data: WriterData = { shared }
  const worker = new Worker(siblingModule('./json-writer', import.meta.url), { workerData: data })
  // The work does not last longer for it; close() waits.
  worker.unref()
  const ended = new Promise<void>((resolve) => {
    worker.once('message', () => resolve())
    worker.once('exit', () => resolve())
    worker.once('error', (error: unknown) => {
      err.write(
        `stdout cannot be written (${error instanceof Error ? error.message : String(error)}): going on without it\n`,
      )
      resolve()
    })
  })
  let dropped = 0
  const post = (line: object): void => {
    const text = textOf(line)
    Atomics.add(shared, WAITING, text.length)
    worker.postMessage(text, [])
  }
  return {
    write(line, { droppable = false } = {}) {
      if (droppable && Atomics.load(shared, WAITING) > MOST_WAITING) {
        dropped++
        return
      }
      if (dropped > 0) post({ type: 'dropped', lines: dropped })
      dropped = 0
      post(line)
    },
    async close() {
      if (dropped > 0) post({ type: 'dropped', lines: dropped })
      worker.ref()
      worker.postMessage(END, [])
      await ended
      await worker.terminate()
    },
  }
}

function textOf(line: object): string {
  return `${JSON.stringify({ time: new Date().toISOString(), ...line })}\n`
}

/** What others print would break the lines. The thread writes to the descriptor, so this does not touch it. */
function claimStdout(): void {
  for (const name of ['log', 'info', 'debug', 'dir', 'table', 'group'] as const) console[name] = console.error
  process.stdout.write = process.stderr.write.bind(process.stderr)
}
