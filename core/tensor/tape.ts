/**
 * The tape's data: nodes that remember how a tensor was made. Recording happens in op.ts, the way back in autograd.ts.
 * It knows of a tensor what `Taped` says, so it stands below tensor.ts.
 *
 * A node keeps only what its gradient reads, and lets go of it as the backward pass goes by, or at the latest when the
 * outermost scope closes.
 */
import type { DType } from './dtype.ts'
import { TrituneError } from '../errors.ts'
import { currentScope, type Releasable, type Scope } from './scope.ts'
import type { Shape } from './shape.ts'

/** The tape's mark on a tensor that was computed from something that needs gradients. */
export interface GradientSource {
  /** Position on the tape; later is higher. */
  readonly id: number
}

/** What the tape knows of a tensor. */
export interface Taped {
  readonly shape: Shape
  readonly dtype: DType
  readonly needsGrad: boolean
  /** Of a result: the node that made it, and under which output name. */
  source: GradientSource | null
  sourceOutput: string
}

/** Where the gradient of one input goes: to a leaf, or to the node that made it. */
export interface TapeLink<T extends Taped> {
  readonly leaf: T | null
  readonly node: TapeNode<T> | null
  readonly output: string
  readonly shape: Shape
  readonly dtype: DType
}

/** What the backward pass offers to a node while it runs. */
export interface BackwardTools<T> {
  /** The f32 buffer to which the gradient of this input is to be added: `.grad` of a leaf, or fresh zeros. */
  accumulator(input: string): T
  /** What has reached this input so far and may be added to in place, or null. */
  pending(input: string): T | null
}

export interface TapeNode<T extends Taped> extends GradientSource, Releasable {
  readonly name: string
  /** The backward pass went by: what was kept is gone. */
  spent: boolean
  readonly links: ReadonlyMap<string, TapeLink<T>>
  /** Gradients of the outputs, by output name → gradients of the linked inputs, by input name. */
  backward(
    grads: Readonly<Record<string, T | undefined>>,
    tools: BackwardTools<T>,
  ): Readonly<Record<string, T | null | undefined>>
  /** Until it is released: an output made again from what the node keeps, which owns it; null where it cannot. */
  remake?(output: string): (() => T) | null
}

let enabled = true
let nextId = 1

/** Whether ops are recorded now: false inside of `noGrad()`. */
export function gradientsEnabled(): boolean {
  return enabled
}

/**
 * Runs `fn` without recording: nothing is kept for a backward pass. Returns what it returns.
 *
 * @example
 * ```ts
 * import { mul, noGrad, parameter, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const w = parameter(tensor([3]))
 * console.log(noGrad(() => mul(w, 2)).needsGrad, mul(w, 2).needsGrad) // → false true
 * ```
 */
export function noGrad<T>(fn: () => T): T {
  return withGradients(false, fn)
}

/** Runs `fn` with recording on or off, then as before. Returns what it returns. */
export function withGradients<T>(on: boolean, fn: () => T): T {
  const before = enabled
  enabled = on
  try {
    return fn()
  } finally {
    enabled = before
  }
}

/** The links of those inputs that need gradients; null when there are none or recording is off. */
export function linksOf<T extends Taped>(
  inputs: Readonly<Record<string, T | undefined>>,
): Map<string, TapeLink<T>> | null {
  if (!enabled) return null
  let links: Map<string, TapeLink<T>> | null = null
  for (const name in inputs) {
    const input = inputs[name]
    if (!input?.needsGrad) continue
    const { shape, dtype, source, sourceOutput } = input
    links ??= new Map()
    links.set(name, {
      leaf: source ? null : input,
      node: source as TapeNode<T> | null,
      output: sourceOutput,
      shape,
      dtype,
    })
  }
  return links
}

/** A one-element tensor. */
interface Scalar {
  readonly storage: object
  item(): number
}

/** One-element gradients whose value the host knows (seeds of backward passes), by their storage. */
const knownScalars = new WeakMap<object, number>()

/** Says what is in a one-element tensor that nobody changes in place, so that `scalarOf` need not read it. */
export function rememberScalar({ storage }: Scalar, value: number): void {
  knownScalars.set(storage, value)
}

/** The value of a one-element tensor; waits for the device only where the host does not know it. */
export function scalarOf(tensor: Scalar): number {
  return knownScalars.get(tensor.storage) ?? tensor.item()
}

/** What `record()` takes. */
export type RecordedNode<T extends Taped> = Omit<TapeNode<T>, 'id' | 'spent'>

/** Puts a node on the tape as the origin of `outputs`. E_SCOPE when no scope is open to own it. */
export function record<T extends Taped>(
  node: RecordedNode<T>,
  outputs: Readonly<Record<string, T | null>>,
): void {
  const scope = expectScope(node.name)
  const { name, links, backward, release, remake } = node
  const recorded: TapeNode<T> = { id: nextId++, name, links, spent: false, backward, release, remake }
  scope.attach(recorded)
  for (const name in outputs) {
    const output = outputs[name]
    if (!output) continue
    output.source = recorded
    output.sourceOutput = name
  }
}

/** The open scope, which is to own what `name` records; E_SCOPE when there is none. */
export function expectScope(name: string): Scope {
  const scope = currentScope()
  if (scope) return scope
  throw new TrituneError('E_SCOPE', `${name}: gradients are recorded only under a scope`, {
    remedy: 'open one with `using scope = tensorScope()`, or wrap inference in noGrad(() => …)',
  })
}
