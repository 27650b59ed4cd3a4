/**
 * Runs checks where there is no test runner, and says how they went.
 */
import type { ContractCheck } from './check.ts'

/** How the checks of a contract went. */
export interface ContractReport {
  readonly passed: readonly string[]
  readonly skipped: readonly string[]
  readonly failed: readonly { readonly name: string; readonly error: Error }[]
  /** A line for each check, and what is wrong under those that failed. */
  readonly text: string
}

/**
 * Runs all of them, one after the other, also after one has failed; throws nothing.
 *
 * @example
 * ```ts
 * import { crossEntropy } from 'tritune/plugins/finetune'
 * import { objectiveContract, runContract } from 'tritune/testing'
 *
 * const { text } = await runContract(objectiveContract(crossEntropy, { devices: [] }))
 * console.log(text) // a line for each check
 * ```
 */
export async function runContract(checks: readonly ContractCheck[]): Promise<ContractReport> {
  const passed: string[] = []
  const skipped: string[] = []
  const failed: { name: string; error: Error }[] = []
  const lines: string[] = []
  for (const { name, run, skipped: reason } of checks) {
    if (reason !== null) {
      skipped.push(name)
      lines.push(`skip  ${name}`)
      continue
    }
    try {
      await run()
      passed.push(name)
      lines.push(`ok    ${name}`)
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown))
      failed.push({ name, error })
      lines.push(`FAIL  ${error.message}`)
    }
  }
  lines.push(`${passed.length} kept, ${failed.length} broken, ${skipped.length} skipped`)
  return { passed, skipped, failed, text: lines.join('\n') }
}
