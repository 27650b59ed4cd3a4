/**
 * Says nothing: for all processes of a job but the first, which tells for all of them.
 */
import type { Teller } from './teller.ts'

export function createSilentTeller(): Teller {
  const nothing = (): void => {}
  return {
    notice: nothing,
    download: nothing,
    tokenize: nothing,
    remark: nothing,
    plan: nothing,
    monitors: () => [],
    end: nothing,
  }
}
