/**
 * Ops as values: what comes out, the f64 reference, and the gradient stand together; devices add implementations.
 *
 * `run()` checks, chooses the device's implementation or, last, the reference, and records the tape. The reference is
 * also the oracle of every test: it works on plain Float64Arrays and knows nothing of devices.
 */
import type { Device, OpArguments, OpImplementation, OpKey } from '../contracts/device.ts'
import { type DType, readElement, rounded, writeElement } from './dtype.ts'
import { TrituneError } from '../errors.ts'
import { expectTensor } from './expect-tensor.ts'
import { expectShape, sameShape, type Shape } from './shape.ts'
import { isMemoryLean } from './remake.ts'
import { expectScope, linksOf, noGrad, record, type TapeLink, type TapeNode } from './tape.ts'
import { empty, Tensor, zeros } from './tensor.ts'

/** The input tensors of an op by name; undefined where an optional one is not given. */
export type OpInputs = { readonly [name: string]: Tensor | undefined }

/** The output tensors of an op by name; null where one is not wanted. */
export type OpOutputs = { readonly [name: string]: Tensor | null }

/** Shape and dtype of a tensor that is still to be made. */
export interface TensorSpec {
  readonly shape: Shape
  readonly dtype: DType
}

/** A tensor as the reference of an op sees it: numbers in f64, and the shape. */
export interface ReferenceArray {
  readonly data: Float64Array
  readonly shape: Shape
  /** What the tensor keeps of a number; absent where it keeps all of it. */
  keep?(value: number): number
}

/** What the reference of an op is called with: inputs and outputs as Float64Arrays with their shapes. */
export interface ReferenceArguments<I extends OpInputs, P, R extends OpOutputs> {
  readonly inputs: {
    readonly [K in keyof I]: I[K] extends Tensor ? ReferenceArray : ReferenceArray | undefined
  }
  readonly params: P
  /** To be written, or added to when listed in `accumulates`; null: not wanted. */
  readonly outputs: { readonly [K in keyof R]: R[K] extends Tensor ? ReferenceArray : ReferenceArray | null }
}

/** What the gradient of an op is called with. */
export interface GradientContext<I extends OpInputs, P, R extends OpOutputs> {
  /** The inputs and outputs named in `saves`; reading another one throws E_SCOPE. */
  readonly saved: I & R
  readonly params: P
  /** Gradients of the outputs; undefined where none arrived. */
  readonly grads: { readonly [K in keyof R]?: Tensor }
  needs(input: keyof I): boolean
  /** For parameters: the f32 buffer to add to; null when this input needs no gradient. Return it as the gradient. */
  accumulator(input: keyof I): Tensor | null
  /** What reached this input before and may be added to in place (then return it), or null. */
  pending(input: keyof I): Tensor | null
}

/** Names of inputs and outputs that a gradient reads. */
export type SavedNames<I, R> = readonly (keyof I | keyof R)[]

/**
 * An op: what comes out, the reference in TypeScript, and the gradient. `defineOp()` makes a value of it that `run()`
 * takes.
 */
export interface OpDefinition<I extends OpInputs, P, R extends OpOutputs> {
  readonly name: string
  /** Checks the inputs (E_SHAPE, E_DTYPE) and says what comes out; null: this output is not wanted. */
  outputs(
    inputs: I,
    params: P,
  ): { readonly [K in keyof R]: R[K] extends Tensor ? TensorSpec : TensorSpec | null }
  /**
   * Outputs whose earlier content matters, zeros unless given by `into`: gradients of parameters, partial writes. A
   * function where it depends on the parameters.
   */
  readonly accumulates?: readonly (keyof R)[] | ((params: P) => readonly (keyof R)[])
  reference(args: ReferenceArguments<I, P, R>): void
  /** What the gradient reads; everything else may die. A function where it depends on who needs gradients. */
  readonly saves?: SavedNames<I, R> | ((inputs: I, params: P) => SavedNames<I, R>)
  gradient?(context: GradientContext<I, P, R>): { readonly [K in keyof I]?: Tensor | null }
  /** Outputs that cost little beside keeping them: made again, with the same bits, from what `saves` names. */
  remake?(saved: I & R, params: P): { readonly [K in keyof R]?: Tensor }
  /** The outputs that `remake` gives. */
  readonly remakes?: readonly (keyof R)[]
}

/** An op as `run()` takes it and devices look it up: what `defineOp()` made. */
export interface Op<I extends OpInputs, P, R extends OpOutputs> extends OpKey {
  accumulates(params: P): readonly string[]
  outputs(inputs: I, params: P): { readonly [K in keyof R]: TensorSpec | null }
  reference(args: ReferenceArguments<I, P, R>): void
  saves(inputs: I, params: P): readonly string[]
  gradient: ((context: GradientContext<I, P, R>) => { readonly [K in keyof I]?: Tensor | null }) | null
  readonly remakes: readonly string[]
  remake(saved: I & R, params: P): Readonly<Record<string, Tensor | undefined>>
}

/**
 * Declare the type on the left, `const relu: Op<Inputs, Params, Outputs> = defineOp({…})`: it types everything inside.
 *
 * @example
 * ```ts
 * import { defineOp, type Op, run, type Tensor, tensor, tensorScope } from 'tritune/core'
 *
 * const cubeOp: Op<{ readonly x: Tensor }, null, { readonly y: Tensor }> = defineOp({
 *   name: 'cube',
 *   outputs: ({ x }) => ({ y: { shape: x.shape, dtype: x.dtype } }),
 *   reference({ inputs: { x }, outputs: { y } }) {
 *     for (const [i, value] of x.data.entries()) y.data[i] = value ** 3
 *   },
 * })
 * using _scope = tensorScope()
 * console.log([...run(cubeOp, { x: tensor([1, 2]) }, null).y.toArray()]) // → [ 1, 8 ]
 * ```
 */
export function defineOp<I extends OpInputs, P, R extends OpOutputs>(
  definition: OpDefinition<NoInfer<I>, NoInfer<P>, NoInfer<R>>,
): Op<I, P, R> {
  const { name, accumulates = [], saves = [], gradient } = definition
  return {
    name,
    accumulates:
      typeof accumulates === 'function' ? (params) => names(accumulates(params)) : always(accumulates),
    outputs: (inputs, params) => definition.outputs(inputs, params),
    reference: (args) => definition.reference(args),
    saves: typeof saves === 'function' ? (inputs, params) => names(saves(inputs, params)) : always(saves),
    gradient: gradient ? (context) => gradient(context) : null,
    remakes: names(definition.remakes ?? []),
    remake: (saved, params) => definition.remake?.(saved, params) ?? {},
  }
}

function names(keys: readonly PropertyKey[]): readonly string[] {
  return keys.map(String)
}

function always(keys: readonly PropertyKey[]): () => readonly string[] {
  const list = names(keys)
  return () => list
}

// ---- devices ----------------------------------------------------------------------------------------------------

/**
 * A device's implementation of one op. Where it does not take some inputs, `supports` says why, in words: running the
 * op on them is an error with that reason, never another device in silence.
 */
export interface TypedImplementation<I extends OpInputs, P, R extends OpOutputs> {
  supports?(inputs: I, params: P): true | string
  run(inputs: I, outputs: R, params: P): void
  runMany?(calls: readonly OpArguments<I, P, R>[]): void
}

/** A device's version of an op. The types are checked here, once; the registry holds them by op identity. */
export function implement<I extends OpInputs, P, R extends OpOutputs>(
  op: Op<I, P, R>,
  implementation: NoInfer<TypedImplementation<I, P, R>>,
): OpImplementation {
  const { runMany } = implementation
  return {
    op,
    supports: (inputs, params) => implementation.supports?.(inputs as I, params as P) ?? true,
    run: (inputs, outputs, params) => implementation.run(inputs as I, outputs as R, params as P),
    runMany: runMany && ((calls) => runMany(calls as readonly OpArguments<I, P, R>[])),
  }
}

/**
 * Who would run `op` on these inputs, and why not the others: one line each, the first that says "yes" wins.
 *
 * @example
 * ```ts
 * import { cast, explain, tensor, tensorScope, unaryForward } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * console.log(explain(unaryForward, { x: cast(tensor([1]), 'bf16') }, { f: 'exp' }))
 * ```
 */
export function explain<I extends OpInputs, P, R extends OpOutputs>(
  op: Op<I, P, R>,
  inputs: I,
  params: P,
): string[] {
  const device = commonDevice(op.name, inputs)
  const implementation = device.implementationOf(op)
  const answer = implementation ? implementation.supports(inputs, params) : 'has no implementation'
  return [`${device.name}: ${answer === true ? 'yes' : answer}`, 'reference: yes']
}

// ---- running ----------------------------------------------------------------------------------------------------

/**
 * Runs an op. `into` names existing tensors that take outputs (they must fit; accumulating outputs are added to).
 * Throws E_SHAPE, E_DTYPE, E_DEVICE.
 */
export function run<I extends OpInputs, P, R extends OpOutputs>(
  op: Op<I, P, R>,
  inputs: NoInfer<I>,
  params: NoInfer<P>,
  into: { readonly [K in keyof NoInfer<R>]?: Tensor | null } = {},
): R {
  const device = commonDevice(op.name, inputs)
  const specs = specsOf(op, inputs, params)
  const accumulates = op.accumulates(params)
  const links = op.gradient ? linksOf<Tensor>(inputs) : null
  if (links) expectScope(op.name)
  const outputs: Record<string, Tensor | null> = {}
  try {
    for (const name in specs) {
      const spec = specs[name]
      const given = into[name]
      if (given) outputs[name] = expectFit(op.name, name, given, spec, device)
      else if (!spec) outputs[name] = null
      else
        outputs[name] = accumulates.includes(name)
          ? zeros(spec.shape, { dtype: spec.dtype, device })
          : empty(spec.shape, { dtype: spec.dtype, device })
    }
    const implementation = implementationFor(op, device, inputs, params)
    if (implementation) implementation.run(inputs, outputs, params)
    else runReference(op, inputs, outputs, params)
  } catch (error) {
    for (const name in outputs) if (!into[name]) outputs[name]?.dispose()
    throw error
  }
  if (links) recordOp(op, links, inputs, outputs, params)
  return outputs as R
}

/** One call of an op that works in place: `into` takes every output. */
export interface OpCall<I extends OpInputs, P, R extends OpOutputs> {
  readonly inputs: I
  readonly params: P
  readonly into: R
}

/**
 * Runs an op many times on independent tensors, as one call where the device can: an optimizer's step of all
 * parameters. Nothing is recorded on the tape. Throws E_SHAPE, E_DTYPE, E_DEVICE before anything is done.
 */
export function runMany<I extends OpInputs, P, R extends OpOutputs>(
  op: Op<I, P, R>,
  calls: readonly OpCall<I, P, R>[],
): void {
  const ready = calls.map(({ inputs, params, into }) => {
    const device = commonDevice(op.name, inputs)
    const specs = specsOf(op, inputs, params)
    for (const name in specs) {
      const given = into[name]
      if (given) expectFit(op.name, name, given, specs[name], device)
    }
    return {
      device,
      implementation: implementationFor(op, device, inputs, params),
      call: { inputs, outputs: into, params },
    }
  })
  for (const [device, group] of Map.groupBy(ready, (one) => one.device)) {
    const many = device.implementationOf(op)?.runMany
    if (many) many(group.map(({ call }) => call))
    else {
      for (const { implementation, call } of group) {
        if (implementation) implementation.run(call.inputs, call.outputs, call.params)
        else runReference(op, call.inputs, call.outputs, call.params)
      }
    }
  }
}

/**
 * The device's implementation; null: the reference runs, because this is its device or because the op came with nothing
 * else (an op of a community plugin). An op that the device has but refuses is E_UNSUPPORTED, not a slow surprise.
 */
function implementationFor(
  op: OpKey,
  device: Device,
  inputs: OpInputs,
  params: unknown,
): OpImplementation | null {
  const implementation = device.implementationOf(op)
  if (!implementation) {
    if (device.kind !== 'reference') fallbacks.add(op.name)
    return null
  }
  const answer = implementation.supports(inputs, params)
  if (answer === true) return implementation
  throw new TrituneError('E_UNSUPPORTED', `${op.name} on ${device.name}: ${answer}`, {
    remedy: 'use the reference device, which is slow but runs everything',
  })
}

const fallbacks = new Set<string>()

/** Names of ops that ran on the reference although their inputs were on another device; a run prints them. */
export function referenceFallbacks(): readonly string[] {
  return [...fallbacks]
}

function expectFit(op: string, name: string, given: Tensor, spec: TensorSpec | null, device: Device): Tensor {
  if (given.device !== device) {
    throw new TrituneError(
      'E_DEVICE',
      `${op}: inputs on ${device.name}, output ${name} on ${given.device.name}`,
    )
  }
  if (spec && spec.dtype !== given.dtype)
    throw new TrituneError(
      'E_DTYPE',
      `${op}: output ${name} is ${spec.dtype}, what takes it is ${given.dtype}`,
    )
  if (spec && !sameShape(spec.shape, given.shape))
    expectShape(`${op} output ${name}`, given.shape, spec.shape)
  return given
}

function recordOp<I extends OpInputs, P, R extends OpOutputs>(
  op: Op<I, P, R>,
  links: ReadonlyMap<string, TapeLink<Tensor>>,
  inputs: I,
  outputs: Record<string, Tensor | null>,
  params: P,
): void {
  const { gradient } = op
  if (!gradient) return
  const saved: Record<string, Saved> = {}
  for (const name of op.saves(inputs, params)) {
    const kept = name in outputs ? outputs[name] : inputs[name]
    saved[name] = kept ? (remakerOf(kept) ?? kept.alias()) : kept
  }
  // What others asked this op to make again; it lives until this op's own turn.
  let remade: Readonly<Record<string, Tensor | undefined>> | null = null
  const remake = (output: string): Tensor => {
    remade ??= noGrad(() => ownerless(op.remake(guarded(op, saved) as I & R, params)))
    const found = remade[output]
    if (!found) throw new TrituneError('E_SCOPE', `${op.name} did not make ${output} again`)
    return found
  }
  // Whoever asked for them comes later on the tape, so earlier in the backward pass.
  const releaseRemade = (): void => {
    for (const one of Object.values(remade ?? {})) one?.dispose()
    remade = null
  }
  record(
    {
      name: op.name,
      links,
      backward(grads, tools) {
        releaseRemade()
        return gradient({
          saved: guarded(op, saved) as I & R,
          params,
          grads: grads as { readonly [K in keyof R]?: Tensor },
          needs: (input) => links.has(String(input)),
          accumulator: (input) => (links.has(String(input)) ? tools.accumulator(String(input)) : null),
          pending: (input) => tools.pending(String(input)),
        })
      },
      remake: (output) => (op.remakes.includes(output) ? () => remake(output) : null),
      release() {
        for (const one of Object.values(saved)) if (one instanceof Tensor) one.dispose()
        releaseRemade()
      },
    },
    outputs,
  )
}

/** A tensor, or how it is made again. */
type Saved = Tensor | (() => Tensor) | null | undefined

/** With lean memory: how the op that made a tensor makes it again, if that is cheap. */
function remakerOf({ source, sourceOutput, storage }: Tensor): (() => Tensor) | null {
  // What others keep anyway costs nothing to keep too.
  if (!isMemoryLean() || !source || !storage.exclusive) return null
  return (source as TapeNode<Tensor>).remake?.(sourceOutput) ?? null
}

/** Tensors that no scope frees. */
function ownerless<R extends Readonly<Record<string, Tensor | undefined>>>(tensors: R): R {
  for (const tensor of Object.values(tensors)) tensor?.adopt(null)
  return tensors
}

/** What was saved by name; another name is a mistake in the op's definition. */
function guarded(op: OpKey, saved: Record<string, Saved>): object {
  return new Proxy(saved, {
    get(target, name) {
      if (name in target) {
        const one = target[String(name)]
        return typeof one === 'function' ? one() : one
      }
      throw new TrituneError(
        'E_SCOPE',
        `${op.name}: its gradient reads "${String(name)}", which is not in saves`,
      )
    },
  })
}

/** Widens to f64, runs the reference, rounds to the output's dtype. */
export function runReference<I extends OpInputs, P, R extends OpOutputs>(
  op: Op<I, P, R>,
  inputs: I,
  outputs: OpOutputs,
  params: P,
): void {
  const wide: Record<string, ReferenceArray | undefined> = {}
  for (const [name, input] of Object.entries(inputs)) wide[name] = input && widen(input)
  const results: Record<string, ReferenceArray | null> = {}
  const accumulates = op.accumulates(params)
  for (const [name, output] of Object.entries(outputs)) {
    if (!output) results[name] = null
    else
      results[name] = accumulates.includes(name)
        ? widen(output)
        : {
            data: new Float64Array(output.size),
            shape: output.shape,
            keep: (value) => rounded(output.dtype, value),
          }
  }
  op.reference({ inputs: wide, params, outputs: results } as ReferenceArguments<I, P, R>)
  for (const [name, output] of Object.entries(outputs)) {
    const result = results[name]
    if (output && result) narrow(output, result.data)
  }
}

function widen(tensor: Tensor): ReferenceArray {
  const data = new Float64Array(tensor.size)
  if (!tensor.storage.host) data.set(tensor.toArray())
  else {
    const host = tensor.host()
    for (let i = 0; i < data.length; i++) data[i] = readElement(tensor.dtype, host, i)
  }
  return { data, shape: tensor.shape }
}

function narrow(tensor: Tensor, data: Float64Array): void {
  if (!tensor.storage.host) tensor.set(data)
  else {
    const host = tensor.host()
    for (let i = 0; i < data.length; i++) writeElement(tensor.dtype, host, i, data[i])
  }
}

function commonDevice(name: string, inputs: OpInputs): Device {
  let device: Device | null = null
  for (const input in inputs) {
    const tensor = inputs[input]
    if (!tensor) continue
    expectTensor(name, input, tensor)
    if (tensor.disposed) throw new TrituneError('E_DISPOSED', `${name}: input ${input} was disposed`)
    if (device && tensor.device !== device) {
      throw new TrituneError('E_DEVICE', `${name}: inputs on ${device.name} and ${tensor.device.name}`, {
        remedy: `move one of them: ${input}.to(device)`,
      })
    }
    device = tensor.device
  }
  if (!device) throw new TrituneError('E_SHAPE', `${name}: no inputs`)
  return device
}

/** What comes out; arguments of a kind that the types forbid are an error of the caller's, not of the op. */
function specsOf<I extends OpInputs, P, R extends OpOutputs>(
  op: Op<I, P, R>,
  inputs: I,
  params: P,
): { readonly [K in keyof R]: TensorSpec | null } {
  try {
    return op.outputs(inputs, params)
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause
    const missing = Object.keys(inputs).filter((name) => !inputs[name])
    const what = missing.length > 0 ? `without ${missing.join(' and ')} its arguments` : 'its arguments'
    throw new TrituneError('E_VALUE', `${op.name}: ${what} are of the wrong kind (${cause.message})`, {
      remedy: 'compare them with the types of the op',
      cause,
    })
  }
}

/** Throws E_DTYPE unless the dtype of `tensor` is one of `allowed`. */
export function expectDType(op: string, name: string, tensor: Tensor, allowed: readonly DType[]): void {
  if (!allowed.includes(tensor.dtype)) {
    throw new TrituneError('E_DTYPE', `${op}: ${name} is ${tensor.dtype}, allowed: ${allowed.join(', ')}`)
  }
}
