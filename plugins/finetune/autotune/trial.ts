/**
 * What trials of a run share: how its steps are made, and how everything is put back afterwards.
 */
import { type ActivationStore, type Tensor } from '../../../core/mod.ts'
import { setTensorBytes, tensorBytes } from '../../../core/tensor/tensor-bytes.ts'
import { runState } from '../checkpoints/run-state.ts'
import type { Run } from '../run.ts'
import { embeddingNoiseOf } from '../training/embedding-noise.ts'
import type { TrainContext } from '../training/train-step.ts'

/** Steps as those of the run. */
export function trialContext(run: Run, activations: ActivationStore | null): TrainContext {
  const { config, memory } = run
  return {
    ...run,
    checkpointing: config.gradient_checkpointing,
    leanMemory: memory.isLean,
    activations,
    embeddingNoise: embeddingNoiseOf(config),
    seed: config.seed,
  }
}

/** Of a run as it is now: what puts weights and state back to the bit. */
export function initialState(run: Run): () => void {
  const state = runState(run)
  const kept = [...run.parameters.values(), ...state.tensors().values()].map(copyOf)
  const saved = state.save()
  return () => {
    state.load(saved)
    for (const put of kept) put()
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function copyOf(tensor: Tensor): () => void {
  const bytes = new Uint8Array(tensor.bytes)
  let at = 0
  for (const piece of tensorBytes(tensor)) {
    bytes.set(piece, at)
    at += piece.length
  }
  return () => setTensorBytes(tensor, bytes)
}
