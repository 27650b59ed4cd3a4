/**
 * Checks one after the other, a line for each as it is done; a check that throws has failed, and the others go on.
 */
import { TrituneError } from '../../core/errors.ts'
import type { Checked } from './checks.ts'

export interface NamedCheck {
  readonly name: string
  run(): Promise<Checked>
}

/** True when all are right. */
export async function report(checks: readonly NamedCheck[], say: (line: string) => void): Promise<boolean> {
  let good = true
  for (const { name, run } of checks) {
    const began = performance.now()
    const { ok, detail } = await run().catch((error: unknown): Checked => {
      if (error instanceof TrituneError) return { ok: false, detail: error.message }
      throw error
    })
    const seconds = ((performance.now() - began) / 1000).toFixed(0)
    const [first, ...more] = detail.split('\n')
    say(`${ok ? 'ok    ' : 'FAILED'}  ${name.padEnd(24)} ${first} [${seconds} s]`)
    for (const line of more) say(`        ${line}`)
    good &&= ok
  }
  return good
}
