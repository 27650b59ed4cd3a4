/**
 * What a fuzzer is: one case for each seed. It throws a Finding when the answer is wrong; a crash of the process is one too.
 */
import type { Dice } from './random.ts'

export interface Fuzzer {
  /** One case; throws a Finding. */
  run(dice: Dice): void | Promise<void>
}

export class Finding extends Error {
  constructor(what: string) {
    super(what)
    this.name = 'Finding'
  }
}
