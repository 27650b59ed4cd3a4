/**
 * The ways in which workers learn together that are compared.
 */
import type { CodecOptions } from '../../../plugins/vsa-optim/mod.ts'

/** A way: what is sent, how often, and what is asked of it. */
export interface Method extends CodecOptions {
  readonly name: string
  /** `gradient`: the mean of the gradients, then one step for all. `weights`: each makes steps of its own, and the mean of those is taken. */
  readonly sends: 'gradient' | 'weights'
  /** Steps of a round. */
  readonly every: number
  /** Fewer bytes than f32 gradients each step, and the gap of the loss. */
  readonly goal: {
    readonly ratio: number
    /** What is aimed at; half as much again is missed. */
    readonly gap: number
  } | null
}

/** The peer of all: nothing is lost. */
export const DENSE: Method = { name: 'dense', codec: 'dense', sends: 'gradient', every: 1, goal: null }

export const METHODS: readonly Method[] = [
  { name: 'int8 each step', codec: 'int8', sends: 'gradient', every: 1, goal: { ratio: 3.95, gap: 0.002 } },
  {
    name: 'ternary each step',
    codec: 'ternary',
    sends: 'gradient',
    every: 1,
    goal: { ratio: 19.5, gap: 0.02 },
  },
  { name: 'local 5, ternary', codec: 'ternary', sends: 'weights', every: 5, goal: { ratio: 75, gap: 0.01 } },
  { name: 'local 6, ternary', codec: 'ternary', sends: 'weights', every: 6, goal: { ratio: 84, gap: 0.01 } },
  {
    name: 'local 8, ternary',
    codec: 'ternary',
    sends: 'weights',
    every: 8,
    goal: { ratio: 100, gap: 0.01 },
  },
  { name: 'local 5, vsa', codec: 'vsa', sends: 'weights', every: 5, goal: null },
  { name: 'local 1, ternary', codec: 'ternary', sends: 'weights', every: 1, goal: null },
  { name: 'local 5, dense', codec: 'dense', sends: 'weights', every: 5, goal: null },
  { name: 'local 2, top 5 % sign', codec: 'topk-sign', ratio: 0.05, sends: 'weights', every: 2, goal: null },
  { name: 'top 2.5 % sign each step', codec: 'topk-sign', sends: 'gradient', every: 1, goal: null },
]
