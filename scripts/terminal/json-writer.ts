/**
 * The thread that writes lines to stdout, and waits for the reader so that nobody else has to: see json-lines.ts.
 */
import { writeSync } from 'node:fs'
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { END, WAITING, type WriterData } from './json-lines.ts'

const STDOUT = 1
const RETRY_MS = 5

function listen({ shared }: WriterData): void {
  let gone = false
  const pause = new Int32Array(new SharedArrayBuffer(4))
  parentPort?.on('message', (text: string | typeof END) => {
    if (text === END) {
      parentPort?.postMessage(END, [])
      return
    }
    if (!gone) gone = !writeAll(new TextEncoder().encode(text), () => Atomics.wait(pause, 0, 0, RETRY_MS))
    Atomics.sub(shared, WAITING, text.length)
  })
}

/** False when it cannot be written: the reader went away, or the disk is full. */
function writeAll(bytes: Uint8Array, pause: () => void): boolean {
  let written = 0
  while (written < bytes.length) {
    try {
      written += writeSync(STDOUT, bytes.subarray(written))
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : null
      if (code === 'EAGAIN') pause()
      else {
        // A pipe that was closed is left alone; anything else is told once.
        if (code !== 'EPIPE' && code !== 'EBADF')
          process.stderr.write(`stdout cannot be written (${String(code ?? error)}): going on without it\n`)
        return false
      }
    }
  }
  return true
}

if (!isMainThread && parentPort !== null) {
  const data: WriterData = workerData
  listen(data)
}
