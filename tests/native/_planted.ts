/**
 * Mistakes that a sanitized library must report, one for each sanitizer: proof that silence means something.
 *
 *   bun tests/native/_planted.ts asan|ubsan|tsan
 */
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { openLibrary } from '../../core/native/library.ts'

const { call } = openLibrary('cpu')
const { tt_alloc, tt_fill, tt_memory_stats, tt_zero } = call
const BYTES = 4096

function allocate(): number {
  const out = new BigInt64Array(1)
  tt_alloc(out, BYTES)
  return Number(out[0])
}

function clear(address: number, seconds: number): void {
  for (const end = performance.now() + 1000 * seconds; performance.now() < end;)
    tt_fill(address, BYTES / 4, 1, 0, 0)
}

if (!isMainThread) clear(Number(workerData), 2)
else if (process.argv[2] === 'asan') tt_zero(allocate(), BYTES + 4, 0)
else if (process.argv[2] === 'ubsan') tt_memory_stats(new Uint8Array(new ArrayBuffer(64), 1))
else {
  const address = allocate()
  const worker = new Worker(new URL(import.meta.url), { workerData: address })
  await new Promise((begun) => worker.once('online', begun))
  clear(address, 1)
  await new Promise((done) => worker.once('exit', done))
}
