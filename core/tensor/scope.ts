/**
 * Lifetimes of temporaries: `using scope = tensorScope()` owns every tensor made under it and frees them at its end.
 *
 * `scope.keep(x)` is the one way out. Scopes nest; ops never consume their inputs. A scope must not be open across an
 * `await` (another task would put its tensors into it): that is reported as E_SCOPE with the place where it was opened.
 */
import { TrituneError } from '../errors.ts'

/** What a scope owns, as far as it knows it: a tensor. */
export interface Owned {
  /** Changes the owner; null = the caller. */
  adopt(scope: Scope | null): void
  dispose(): void
}

/** What `scope.keep()` takes at once: a tensor, or lists and objects of tensors. */
export type Keepable = Owned | readonly Keepable[] | { readonly [key: string]: Owned | undefined }

/** Something that lives as long as the outermost scope: the tape's nodes. */
export interface Releasable {
  release(): void
}

/**
 * A scope of temporaries, as `tensorScope()` opens it: owns the tensors made under it, and frees them when it is
 * disposed. Throws E_SCOPE when it closes before a scope that was opened inside of it.
 */
export class Scope implements Disposable {
  readonly #tensors = new Set<Owned>()
  readonly #parent: Scope | null
  #releasables: Releasable[] = []
  #open = true

  constructor(parent: Scope | null) {
    this.#parent = parent
  }

  get root(): Scope {
    return this.#parent?.root ?? this
  }

  /** Hands tensors to the enclosing scope, or to the caller when there is none; returns them. */
  keep<T extends Keepable>(kept: T): T {
    for (const tensor of ownedIn(kept)) {
      if (this.#tensors.delete(tensor)) tensor.adopt(this.#parent)
    }
    return kept
  }

  /** Used by Tensor: from now on this scope owns it. */
  own(tensor: Owned): void {
    this.#tensors.add(tensor)
  }

  /** Used by Tensor: disposed or moved. */
  disown(tensor: Owned): void {
    this.#tensors.delete(tensor)
  }

  /** Used by the tape: released when the outermost scope closes. */
  attach(releasable: Releasable): void {
    this.root.#releasables.push(releasable)
  }

  [Symbol.dispose](): void {
    if (!this.#open) return
    if (current !== this)
      throw new TrituneError('E_SCOPE', 'scopes must close in the reverse order of opening')
    this.#open = false
    current = this.#parent
    for (const tensor of this.#tensors) tensor.dispose()
    for (const releasable of this.#releasables) releasable.release()
    this.#releasables = []
  }
}

let current: Scope | null = null

/** The innermost open scope; null outside of any. */
export function currentScope(): Scope | null {
  return current
}

/** Where the outermost scope was opened; and whether a look at it is due. */
let opened: Error | null = null
let watching = false

/**
 * Opens a scope; use it with `using`.
 *
 * @example
 * ```ts
 * import { add, mul, tensor, tensorScope } from 'tritune/core'
 *
 * using x = tensor([1, 2])
 * {
 *   using scope = tensorScope()
 *   const square = mul(x, x) // gone at the end of the block
 *   scope.keep(add(square, 1)).dispose() // this one is handed out, and is ours to free
 * }
 * ```
 */
export function tensorScope(): Scope {
  if (!current) {
    opened = new Error('opened here')
    // One look for all scopes until then: code that never awaits does not pile them up.
    if (!watching) queueMicrotask(reportOpenScope)
    watching = true
  }
  return (current = new Scope(current))
}

/** No scope may be open when other work gets its turn. */
function reportOpenScope(): void {
  watching = false
  if (current) {
    throw new TrituneError('E_SCOPE', 'a tensor scope is open across an `await`', {
      remedy: 'do asynchronous work outside of tensorScope()',
      cause: opened,
    })
  }
}

/**
 * Runs `fn` in a scope of its own and keeps only what it returns.
 *
 * @example
 * ```ts
 * import { mul, scoped, type Tensor, tensor } from 'tritune/core'
 *
 * const cube = (x: Tensor): Tensor => scoped(() => mul(mul(x, x), x)) // keeps what is returned
 * using x = tensor([2])
 * using y = cube(x)
 * console.log(y.item()) // → 8
 * ```
 */
export function scoped<T extends Keepable>(fn: () => T): T {
  using scope = tensorScope()
  return scope.keep(fn())
}

function* ownedIn(tree: Keepable): Generator<Owned> {
  if (isOwned(tree)) yield tree
  else for (const item of Object.values(tree)) if (item !== undefined) yield* ownedIn(item)
}

function isOwned(tree: Keepable): tree is Owned {
  return typeof Reflect.get(tree, 'adopt') === 'function'
}
