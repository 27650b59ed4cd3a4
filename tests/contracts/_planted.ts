/**
 * Suites on parts with a mistake that was planted: which checks find it.
 */
import { type ContractCheck, ContractError } from '../../testing/mod.ts'

/** The names of the checks that fail, without the part's. Each says what was expected, what came, and where to look. */
export async function broken(checks: readonly ContractCheck[]): Promise<string[]> {
  const names: string[] = []
  for (const { name, run } of checks) {
    try {
      await run()
    } catch (error) {
      if (!(error instanceof ContractError)) throw error
      const { expected, got, lookAt, message } = error
      const isWhole = [expected, got, lookAt].every((text) => text !== '' && message.includes(text))
      if (!isWhole) throw new Error(`half a message: ${message}`, { cause: error })
      names.push(name.replace(/^[^:]*: /, ''))
    }
  }
  return names
}
