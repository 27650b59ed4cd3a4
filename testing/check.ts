/**
 * A check of a contract suite: a name and something to run, for whatever test runner there is, or none.
 *
 *   for (const { name, run } of adapterContract(mine)) test(name, run)
 */
import { formatShape, type Tensor, TrituneError } from '../core/mod.ts'

/** One promise of a contract, to be run by any test runner. */
export interface ContractCheck {
  /** What is promised, as a sentence; a check that cannot be done here says why not. */
  readonly name: string
  /** Throws a `ContractError` when the promise is not kept. Does nothing where `skipped` is set. */
  readonly run: () => void | Promise<void>
  /** Why it cannot be done on this machine; null: it is done. */
  readonly skipped: string | null
}

export interface Finding {
  /** What the contract says. */
  readonly expected: string
  /** What came. */
  readonly got: string
  /** Where the mistake is likely to be. */
  readonly lookAt: string
  readonly cause?: unknown
}

/** A promise that was not kept: what was expected, what came, what to look at. */
export class ContractError extends Error {
  readonly expected: string
  readonly got: string
  readonly lookAt: string

  constructor(check: string, { expected, got, lookAt, cause }: Finding) {
    super(`${check}\n  expected: ${expected}\n  got:      ${got}\n  look at:  ${lookAt}`, { cause })
    this.name = 'ContractError'
    this.expected = expected
    this.got = got
    this.lookAt = lookAt
  }
}

/** Ends a check; `check()` adds its name. */
export class Broken extends Error {
  readonly finding: Finding

  constructor(finding: Finding) {
    super(finding.got)
    this.finding = finding
  }
}

/** Throws when `kept` is false. */
export function expectKept(kept: boolean, finding: () => Finding): void {
  if (!kept) throw new Broken(finding())
}

/** A check. What its body throws that is no finding is one too: the part failed where it must not. */
export function check(name: string, body: () => void | Promise<void>): ContractCheck {
  return {
    name,
    skipped: null,
    run() {
      try {
        const done = body()
        return done instanceof Promise ? done.catch((error: unknown) => raise(name, error)) : done
      } catch (error) {
        raise(name, error)
      }
    },
  }
}

export function skippedCheck(name: string, reason: string): ContractCheck {
  return { name: `${name} (skipped: ${reason})`, skipped: reason, run() {} }
}

/** The error of a call that must be refused. */
export function refusal(what: string, work: () => unknown, lookAt: string): TrituneError {
  const wanted = 'a TrituneError with a code, saying what is wrong and where'
  try {
    work()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw new Broken({
      expected: `${what} is refused with ${wanted}`,
      got: textOf(error),
      lookAt,
      cause: error,
    })
  }
  throw new Broken({ expected: `${what} is refused with ${wanted}`, got: 'no error at all', lookAt })
}

export function textOf(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${value.message}`
  return typeof value === 'object' ? (JSON.stringify(value) ?? String(value)) : String(value)
}

/** `q_proj.a (4, 16) f32` */
export function tensorText(name: string, { shape, dtype }: Tensor): string {
  return `${name} ${formatShape(shape)} ${dtype}`
}

function raise(name: string, error: unknown): never {
  if (error instanceof Broken) throw new ContractError(name, error.finding)
  if (error instanceof ContractError) throw error
  throw new ContractError(name, {
    expected: 'no error',
    got: textOf(error),
    lookAt: lineOf(error) ?? 'the stack of the cause',
    cause: error,
  })
}

/** Where it was thrown. */
function lineOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  return /\(?((?:file:\/\/)?\/[^()\s]+:\d+:\d+)\)?/.exec(error.stack ?? '')?.[1]
}
