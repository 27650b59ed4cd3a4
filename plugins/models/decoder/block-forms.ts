/**
 * Where the norms of a block stand, and in which order its parts go.
 *
 * Residual adds are fused with the norm that follows them, so a block takes and gives the pair (h, delta): the stream so
 * far and what the last part wants to add to it. There is no delta before the first block.
 */
import { add, type Layer, type Tensor } from '../../../core/mod.ts'
import type { Norms } from './norms.ts'
import type { Part, Pass } from './pass.ts'

/** What a form is made of: norms by the name that they have in the block, and its two parts, each loaded when it is asked for. */
export interface BlockPieces {
  readonly norms: Norms
  norm(name: string): Layer
  attention(): Part
  mlp(): Part
}

/** [h, delta] → [h, delta] */
export type RunBlock = (stream: readonly Tensor[], pass: Pass) => [Tensor, Tensor]

/** Loads a block in the order of its tensors. */
export type BlockForm = (pieces: BlockPieces) => RunBlock

/** h += attend(norm(h)); h += mlp(norm(h)) */
export const preNorm: BlockForm = ({ norms, norm, attention, mlp }) => {
  const first = norm('input_layernorm')
  const attend = attention()
  const second = norm('post_attention_layernorm')
  const think = mlp()
  return ([h, delta], pass) => {
    const before = norms.add(first, h, delta)
    const between = norms.add(second, before.h, attend(before.y, pass))
    return [between.h, think(between.y, pass)]
  }
}

/** h += norm(attend(h)); h += norm(mlp(h)) (olmo2) */
export const postNorm: BlockForm = ({ norms, norm, attention, mlp }) => {
  const attend = attention()
  const first = norm('post_attention_layernorm')
  const think = mlp()
  const second = norm('post_feedforward_layernorm')
  return ([h, delta], pass) => {
    const before = delta ? add(h, delta) : h
    const between = add(before, norms.apply(first, attend(before, pass)))
    return [between, norms.apply(second, think(between, pass))]
  }
}

/** Names of the four norms of a block that has them on both sides of its parts. */
export interface SandwichNames {
  readonly beforeAttention: string
  readonly afterAttention: string
  readonly beforeMlp: string
  readonly afterMlp: string
}

/** h += norm(attend(norm(h))); h += norm(mlp(norm(h))) (gemma2, glm4) */
export function sandwichNorm(names: SandwichNames): BlockForm {
  return ({ norms, norm, attention, mlp }) => {
    const beforeAttention = norm(names.beforeAttention)
    const attend = attention()
    const afterAttention = norm(names.afterAttention)
    const beforeMlp = norm(names.beforeMlp)
    const think = mlp()
    const afterMlp = norm(names.afterMlp)
    return ([h, delta], pass) => {
      const before = norms.add(beforeAttention, h, delta)
      const attended = norms.apply(afterAttention, attend(before.y, pass))
      const between = norms.add(beforeMlp, before.h, attended)
      return [between.h, norms.apply(afterMlp, think(between.y, pass))]
    }
  }
}

/** h += attend(norm(h)) + mlp(norm(h)), with one norm (cohere, stablelm) */
export const parallelParts: BlockForm = ({ norms, norm, attention, mlp }) => {
  const first = norm('input_layernorm')
  const attend = attention()
  const think = mlp()
  return ([h, delta], pass) => {
    const before = norms.add(first, h, delta)
    return [before.h, add(attend(before.y, pass), think(before.y, pass))]
  }
}
