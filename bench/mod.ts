/**
 * `tritune/bench`: an op in a mitata suite, in ten lines.
 *
 *   import { run } from 'mitata'
 *   import { benchOp } from 'tritune/bench'
 *   import { mul } from 'tritune/core'
 *
 *   benchOp('scale', {
 *     bytes: 2 * 4 * 2048 * 576, // reads and writes
 *     open({ random }) {
 *       const x = random([2048, 576])
 *       return () => mul(x, 2)
 *     },
 *   })
 *   await run()
 *
 * Needs `mitata` beside tritune. For claims (pairs of runs in turn, floors, exit codes): `bun run bench kernels`.
 *
 * @module
 */
export { type BenchMaker, benchOp, type BenchOpOptions, type OpBench } from './bench-op.ts'
export { goesRound, lastLevelCacheBytes, streamedBytes } from './streamed.ts'
