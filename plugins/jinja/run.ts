/**
 * One rendering: its output, what it may still cost, and where it stands. A template that goes on for too long or writes
 * too much is stopped, so that a file from elsewhere cannot take the machine.
 */
import { budgetError } from './errors.ts'

/** What a rendering may cost; beyond it is an E_TOKENIZER, so that a template cannot take the machine. */
export interface Budget {
  /** Evaluated nodes, loop turns, 1 for every 32 characters that are read or written, 1 for every 4 items of a new list. */
  readonly steps: number
  /** Characters of one text. */
  readonly text: number
  /** Items of one list. */
  readonly items: number
  /** Macros, recursive loops and nested values. */
  readonly depth: number
}

/** The budget of a rendering that is given none. */
export const DEFAULT_BUDGET: Budget = { steps: 5_000_000, text: 1 << 24, items: 1 << 20, depth: 200 }

export interface Run {
  /** What is being written; a block that captures its text swaps it. */
  out: string
  /** True while `out` is the text of the template itself. */
  isRoot: boolean
  line: number
  /** Characters `[start, end)` of `{% generation %}` blocks; undefined once one of them stood inside of a captured text. */
  generations: { start: number; end: number }[] | undefined
  readonly now: () => Date
  /** Writing what is not defined is an error, as with Jinja2's StrictUndefined. */
  readonly isStrict: boolean
  tick(): void
  /** Counts work on a text of `length` characters, and refuses too long ones. */
  charge(length: number): void
  /** Counts work on a list. */
  chargeItems(count: number): void
  write(text: string): void
  enter(): void
  leave(): void
}

export function createRun(budget: Budget, now: () => Date, isStrict: boolean): Run {
  let steps = budget.steps
  let depth = 0
  const spend = (amount: number): void => {
    steps -= amount
    if (steps < 0) throw budgetError(`the template takes more than ${budget.steps} steps`)
  }
  return {
    out: '',
    isRoot: true,
    line: 1,
    generations: [],
    now,
    isStrict,
    tick() {
      if (--steps < 0) spend(0)
    },
    charge(length) {
      if (!(length <= budget.text)) throw budgetError(`the template makes a text longer than ${budget.text}`)
      spend(length / 32)
    },
    chargeItems(count) {
      if (!(count <= budget.items)) throw budgetError(`the template makes a list longer than ${budget.items}`)
      spend(count / 4)
    },
    write(text) {
      this.charge(this.out.length + text.length > budget.text ? Infinity : text.length)
      this.out += text
    },
    enter() {
      if (++depth > budget.depth) throw budgetError(`the template nests deeper than ${budget.depth}`)
    },
    leave() {
      depth--
    },
  }
}
