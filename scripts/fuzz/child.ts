/**
 * The process that a fuzzer may break: runs cases from a seed on, and says which one before each.
 *
 *   bun scripts/fuzz/child.ts <target> <first seed> <cases> <seconds>
 *
 * Lines on stdout: `@seed` before a case, `!seed JSON` for a finding, `.` at the end.
 */
import { writeSync } from 'node:fs'
import { Finding } from './fuzzer.ts'
import { createDice } from './random.ts'
import { TARGETS } from './targets.ts'

const [target, first, cases, seconds] = process.argv.slice(2)
const fuzzer = await TARGETS[target]()
const end = performance.now() + 1000 * Number(seconds)
for (let seed = Number(first); seed < Number(first) + Number(cases) && performance.now() < end; seed++) {
  writeSync(1, `@${seed}\n`)
  try {
    await fuzzer.run(createDice(seed))
  } catch (error) {
    const text =
      error instanceof Finding
        ? error.message
        : error instanceof Error
          ? (error.stack ?? error.message)
          : String(error)
    writeSync(1, `!${seed} ${JSON.stringify(text)}\n`)
  }
}
writeSync(1, '.\n')
process.exit(0)
