/**
 * Error feedback (Karimireddy et al. 2019, arXiv 1901.09847): what a message did not say is added to the next gradient, so that nothing is lost
 * for good.
 *
 *   u = g + e     message = C(u)     e ← u − D(message)
 *
 * The sum of what was sent is the sum of the gradients less the last e.
 */
import { expectInteger } from '../../../core/tensor/expect.ts'
import { TrituneError } from '../../../core/mod.ts'
import type { GradientMessage } from '../codecs/gradient-message.ts'

/** What of a compressor error feedback needs. */
export interface Compresses<M> {
  compress(gradient: Float32Array, round?: number): M
  decompress(message: M): Float32Array
  /** Both, where that is quicker than one after the other; what the message says is put into `said`. */
  compressAndRead?(gradient: Float32Array, round: number, said: Float32Array): M
}

/** A compressor with a memory, for gradients of one length. */
export interface FeedbackCompressor<M = GradientMessage> {
  /** Throws E_SHAPE for a gradient of another length; what the compressor throws changes nothing here. `by`: this once, by another one. */
  compress(gradient: Float32Array, by?: Compresses<M>): M
  decompress(message: M): Float32Array
  /** What is still to be sent; a copy. */
  readonly error: Float32Array
  /** Of the next message. */
  readonly round: number
  /** δ of the last message (`keptShare`); ‖e‖ / ‖u‖ is √(1 − δ). null before the first. */
  readonly kept: number | null
  /** ‖e‖ / ‖g‖ after the last message: how many gradients wait, not finite after one of zeros. null before the first. */
  readonly backlog: number | null
  reset(): void
  /** Goes on as after so many rounds, with what is in the memory. */
  resume(round: number): void
}

/**
 * A compressor with error feedback for gradients of `length` numbers; each worker and each tensor has its own. `memory` is where e is kept, from
 * what is in it on; default: zeros of its own.
 *
 * @example
 * ```ts
 * import { vsaCompressor, withErrorFeedback } from 'tritune/plugins/vsa-optim'
 *
 * const worker = withErrorFeedback(vsaCompressor({ ratio: 0.25 }), 64)
 * const sum = new Float32Array(64)
 * const gradient = Float32Array.from(sum, (_, i) => i / 64)
 * for (let step = 0; step < 200; step++)
 *   for (const [i, x] of worker.decompress(worker.compress(gradient)).entries()) sum[i] += x
 * console.log((sum[32] / 200).toFixed(1)) // → 0.5
 * ```
 */
export function withErrorFeedback<M>(
  compressor: Compresses<M>,
  length: number,
  memory: Float32Array = new Float32Array(length),
): FeedbackCompressor<M> {
  expectInteger('withErrorFeedback', 'length', length, { min: 1 })
  if (memory.length !== length)
    throw new TrituneError('E_SHAPE', `the memory is of ${memory.length} numbers, the gradients of ${length}`)
  let state = fresh()
  // Kept from one message to the next: memory that is new is dear.
  const u = new Float32Array(length)
  const room = new Float32Array(length)
  return {
    compress(gradient, by = compressor) {
      if (gradient.length !== length)
        throw new TrituneError('E_SHAPE', `this compressor is for ${length} numbers, got ${gradient.length}`)
      addTo(u, gradient, memory)
      let message: M
      let said: Float32Array = room
      if (by.compressAndRead) message = by.compressAndRead(u, state.round, said)
      else {
        message = by.compress(u, state.round)
        said = by.decompress(message)
      }
      state = { round: state.round + 1, ...keepRest(memory, { gradient, u, said }) }
      return message
    },
    decompress: (message) => compressor.decompress(message),
    get error() {
      return memory.slice()
    },
    get round() {
      return state.round
    },
    get kept() {
      return state.kept
    },
    get backlog() {
      return state.backlog
    },
    reset() {
      memory.fill(0)
      state = fresh()
    },
    resume(round) {
      expectInteger('withErrorFeedback', 'round', round)
      state = { ...fresh(), round }
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Told {
  readonly round: number
  readonly kept: number | null
  readonly backlog: number | null
}

function fresh(): Told {
  return { round: 0, kept: null, backlog: null }
}

/** u = a + b */
function addTo(u: Float32Array, a: Float32Array, b: Float32Array): void {
  for (let i = 0; i < u.length; i++) u[i] = a[i] + b[i]
}

/** memory ← u − said, and how much that is; sums are f64. */
function keepRest(
  memory: Float32Array,
  { gradient, u, said }: Readonly<Record<'gradient' | 'u' | 'said', Float32Array>>,
): Pick<Told, 'kept' | 'backlog'> {
  let wanted = 0
  let missed = 0
  let left = 0
  let given = 0
  for (let i = 0; i < memory.length; i++) {
    const value = u[i]
    const rest = value - said[i]
    const kept = Math.fround(rest)
    const own = gradient[i]
    memory[i] = kept
    wanted += value * value
    missed += rest * rest
    left += kept * kept
    given += own * own
  }
  return {
    // As `keptShare` has it.
    kept: 1 - (missed === 0 ? 0 : Math.sqrt(missed / wanted)) ** 2,
    backlog: Math.sqrt(left) / Math.sqrt(given),
  }
}
