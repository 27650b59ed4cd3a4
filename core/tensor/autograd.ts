/**
 * The way back: `backward(loss)` walks the tape from a scalar to the leaves, and `checkpoint(fn)` trades memory for
 * running `fn` again.
 *
 * Gradients of activations have the dtype of the activation; gradients of leaves are f32 sums in `leaf.grad`, so
 * accumulation over micro-batches needs nothing more. No gradient is computed that nobody asked for.
 */
import { TrituneError } from '../errors.ts'
import { currentNoise, withNoise } from './noise.ts'
import { currentOffload, type StoredActivation } from './offload.ts'
import { expectTensor } from './expect-tensor.ts'
import { expectDType, run } from './op.ts'
import { addTo } from '../ops/accumulate.ts'
import { castOp } from '../ops/cast.ts'
import { scoped, tensorScope } from './scope.ts'
import { expectShape, formatShape, sizeOf } from './shape.ts'
import {
  type BackwardTools,
  gradientsEnabled,
  linksOf,
  noGrad,
  record,
  rememberScalar,
  type TapeLink,
  type TapeNode,
  withGradients,
} from './tape.ts'
import { empty, Tensor, zeros } from './tensor.ts'

/**
 * Adds d(loss)/d(leaf) to `leaf.grad` of every leaf that needs it. `loss` has one element; `gradient` (default 1)
 * scales it. What the tape kept is freed on the way; a second call on the same graph is an error (E_SCOPE).
 *
 * @example
 * ```ts
 * import { backward, matmul, parameter, sum, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const w = parameter(tensor([1, 2, 3, 4], { shape: [2, 2] }))
 * const x = tensor([1, 1], { shape: [1, 2] })
 * backward(sum(matmul(x, w)))
 * console.log([...(w.grad?.toArray() ?? [])]) // → [ 1, 1, 1, 1 ]
 * ```
 */
export function backward(loss: Tensor, { gradient = 1 }: { readonly gradient?: number } = {}): void {
  if (loss.size !== 1)
    throw new TrituneError(
      'E_SHAPE',
      `backward() needs a loss with one element, got shape ${formatShape(loss.shape)}`,
    )
  if (!loss.needsGrad)
    throw new TrituneError('E_SCOPE', 'backward(): nothing that the loss was computed from needs gradients')
  using seed = noGrad(() => empty(loss.shape, { dtype: loss.dtype, device: loss.device }))
  seed.set([gradient])
  rememberScalar(seed, gradient)
  propagate([{ output: loss, gradient: seed }])
}

/**
 * `backward()` from a tensor of any shape whose gradient is known: for a step of the tape that computes something again.
 *
 * @example
 * ```ts
 * import { backwardFrom, mul, parameter, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const x = parameter(tensor([1, 2]))
 * backwardFrom(mul(x, 3), tensor([1, 10]))
 * console.log([...(x.grad?.toArray() ?? [])]) // → [ 3, 30 ]
 * ```
 */
export function backwardFrom(output: Tensor, gradient: Tensor): void {
  expectTensor('backwardFrom', 'output', output)
  expectTensor('backwardFrom', 'gradient', gradient)
  expectShape('backwardFrom gradient', gradient.shape, output.shape)
  expectDType('backwardFrom', 'gradient', gradient, [output.dtype])
  if (output.needsGrad) propagate([{ output, gradient }])
}

/**
 * Runs `fn(...inputs)` keeping only its inputs (where `withOffload()` says) and outputs; the backward pass runs it again. `fn` must be a pure
 * function of its inputs and of leaves; random numbers repeat because they are keyed and not drawn.
 *
 * @example
 * ```ts
 * import { backward, checkpoint, exp, parameter, sum, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const x = parameter(tensor([0, 1]))
 * const [y] = checkpoint((a) => [exp(exp(a))], x) // keeps x only, computes the rest again in the backward pass
 * backward(sum(y))
 * ```
 */
export function checkpoint<const T extends readonly Tensor[], R extends readonly Tensor[]>(
  fn: (...inputs: T) => R,
  ...inputs: T
): R {
  if (!gradientsEnabled()) return scoped(() => fn(...inputs))
  const results = noGrad(() => scoped(() => fn(...inputs)))
  // What `fn` only passes on keeps its own origin on the tape.
  const outputs = results.map((result) =>
    inputs.includes(result) || result.needsGrad ? result.view() : result,
  )
  const noise = currentNoise()
  // Leaves are the same the second time: their gradients add up in place, as they do without checkpoint().
  const leaves = inputs.map((input) => (input.requiresGrad && !input.source ? input : null))
  const links =
    linksOf(byIndex(inputs.map((input, i) => (leaves[i] ? undefined : input)))) ??
    new Map<string, TapeLink<Tensor>>()
  const store = currentOffload()
  const saved = inputs.map((input, i) => (store && !leaves[i] ? store.put(input) : keptHere(input)))
  record(
    {
      name: 'checkpoint',
      links,
      backward(arriving) {
        const again = saved.map((input, i) =>
          links.has(String(i))
            ? boundaryTensor(input.take())
            : { tensor: leaves[i] ?? input.take(), take: () => null },
        )
        // The inner scope frees at once what the block did not save for its own way back.
        const recomputed = withNoise(noise, () =>
          withGradients(true, () => scoped(() => fn(...asTuple<T>(again.map(({ tensor }) => tensor))))),
        )
        const roots = recomputed.flatMap((output, i) => {
          const gradient = arriving[String(i)]
          return gradient && output.needsGrad ? [{ output, gradient }] : []
        })
        propagate(roots)
        return byIndex(again.map(({ take }) => take()))
      },
      release() {
        // The tape calls this twice: as it goes by, and when the outermost scope closes.
        for (const input of saved.splice(0)) input.release()
      },
    },
    byIndex(outputs),
  )
  return asTuple<R>(outputs)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Root {
  readonly output: Tensor
  readonly gradient: Tensor
}

/** Pushes gradients from `roots` down to the leaves and boundary nodes. */
function propagate(roots: readonly Root[]): void {
  noGrad(() => {
    const pending = new Map<TapeNode<Tensor>, Map<string, Tensor>>()
    for (const { output, gradient } of roots) {
      if (output.source)
        deliver(
          pending,
          {
            leaf: null,
            node: output.source as TapeNode<Tensor>,
            output: output.sourceOutput,
            shape: output.shape,
            dtype: output.dtype,
          },
          gradient,
        )
      else addToLeaf(output, gradient)
    }
    try {
      for (const node of inReverseOrder(roots)) {
        const grads = pending.get(node)
        pending.delete(node)
        if (grads) backwardThrough(node, grads, pending)
      }
    } finally {
      for (const grads of pending.values()) for (const gradient of grads.values()) gradient.dispose()
    }
  })
}

function backwardThrough(
  node: TapeNode<Tensor>,
  grads: Map<string, Tensor>,
  pending: Map<TapeNode<Tensor>, Map<string, Tensor>>,
): void {
  if (node.spent) {
    for (const gradient of grads.values()) gradient.dispose()
    throw new TrituneError('E_SCOPE', `backward() went through ${node.name} before`, {
      remedy:
        'a graph can be walked once: run the forward pass again, or add the losses and call backward() once',
    })
  }
  using _scope = tensorScope()
  const { links } = node
  const fresh = new Map<string, Tensor>()
  const tools: BackwardTools<Tensor> = {
    accumulator(input) {
      const link = linkOf(node, input)
      const existing = link.leaf ? leafGradient(link.leaf) : fresh.get(input)
      if (existing) return existing
      const made = zeros(link.shape, { dtype: 'f32', device: [...grads.values()][0].device })
      fresh.set(input, made)
      return made
    },
    pending(input) {
      const link = links.get(input)
      const waiting = link?.node ? pending.get(link.node)?.get(link.output) : undefined
      return waiting?.storage.exclusive ? waiting : null
    },
  }
  try {
    const results = node.backward(Object.fromEntries(grads), tools)
    for (const input in results) {
      const gradient = results[input]
      const link = links.get(input)
      if (gradient && link) deliver(pending, link, gradient)
    }
  } finally {
    node.spent = true
    node.release()
    for (const gradient of grads.values()) gradient.dispose()
  }
}

function deliver(
  pending: Map<TapeNode<Tensor>, Map<string, Tensor>>,
  link: TapeLink<Tensor>,
  gradient: Tensor,
): void {
  const { leaf, node, output } = link
  if (leaf && gradient === leaf.grad) return
  if (gradient.size !== sizeOf(link.shape)) {
    throw new TrituneError(
      'E_SHAPE',
      `a gradient of shape ${formatShape(gradient.shape)} arrived for shape ${formatShape(link.shape)}`,
      { place: node?.name },
    )
  }
  if (leaf) {
    addToLeaf(leaf, gradient)
    return
  }
  if (!node) return
  let waiting = pending.get(node)
  if (!waiting) pending.set(node, (waiting = new Map()))
  const before = waiting.get(output)
  if (before === gradient) return
  if (!before) waiting.set(output, inDTypeOf(link, gradient).alias())
  else if (before.storage.exclusive) addTo(before, gradient)
  else {
    const sum = copyOf(before).alias()
    addTo(sum, gradient)
    before.dispose()
    waiting.set(output, sum)
  }
}

/** Sums of parameter gradients are f32; what goes on to a node has the dtype of its output. */
function inDTypeOf({ dtype }: TapeLink<Tensor>, gradient: Tensor): Tensor {
  return gradient.dtype === dtype ? gradient : run(castOp, { x: gradient }, { dtype }).y
}

function addToLeaf(leaf: Tensor, gradient: Tensor): void {
  addTo(leafGradient(leaf), gradient)
}

function leafGradient(leaf: Tensor): Tensor {
  if (leaf.disposed)
    throw new TrituneError(
      'E_DISPOSED',
      `a parameter of shape ${formatShape(leaf.shape)} was disposed before backward()`,
    )
  leaf.grad ??= owned(zeros(leaf.shape, { dtype: 'f32', device: leaf.device }))
  return leaf.grad
}

/** Every node that the roots depend on, latest first: recording order is a topological order. */
function inReverseOrder(roots: readonly Root[]): TapeNode<Tensor>[] {
  const seen = new Set<TapeNode<Tensor>>()
  const stack: TapeNode<Tensor>[] = []
  const visit = (node: TapeNode<Tensor> | null): void => {
    if (!node || seen.has(node)) return
    seen.add(node)
    stack.push(node)
  }
  for (const { output } of roots) visit(output.source as TapeNode<Tensor> | null)
  for (let node = stack.pop(); node; node = stack.pop())
    for (const link of node.links.values()) visit(link.node)
  return [...seen].toSorted((a, b) => b.id - a.id)
}

/** An input that waits where it is: no copy. */
function keptHere(input: Tensor): StoredActivation {
  const kept = input.alias()
  return { take: () => kept.view(), release: () => kept.dispose() }
}

/** Makes a fresh handle on an input of a checkpointed function look like a result, so that its gradient stops here and can be taken. */
function boundaryTensor(tensor: Tensor): { tensor: Tensor; take(): Tensor | null } {
  let arrived: Tensor | null = null
  record(
    {
      name: 'checkpoint input',
      links: new Map(),
      backward({ output }) {
        arrived = output ? output.alias() : null
        return {}
      },
      release() {},
    },
    { output: tensor },
  )
  return {
    tensor,
    take() {
      if (!arrived) return null
      const gradient = arrived.view()
      arrived.dispose()
      return gradient
    },
  }
}

function linkOf(node: TapeNode<Tensor>, input: string): TapeLink<Tensor> {
  const link = node.links.get(input)
  if (!link) throw new TrituneError('E_SCOPE', `${node.name}: input ${input} needs no gradient`)
  return link
}

function byIndex<V>(values: readonly V[]): Record<string, V> {
  return Object.fromEntries(values.map((value, i) => [String(i), value]))
}

/** The checkpointed function gets, and gives, as many tensors as before. */
function asTuple<T extends readonly Tensor[]>(tensors: readonly Tensor[]): T {
  return tensors as T
}

/** Takes a tensor out of every scope: the caller disposes it. */
function owned(tensor: Tensor): Tensor {
  tensor.adopt(null)
  return tensor
}

function copyOf(source: Tensor): Tensor {
  const copy = zeros(source.shape, { dtype: source.dtype, device: source.device })
  addTo(copy, source)
  return copy
}
