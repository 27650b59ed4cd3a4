/**
 * `bun scripts/bad-inputs.ts [words…]`: runs the commands on everything that people get wrong and shows what they say.
 *
 * The cases are those of tests/bad-inputs.test.ts; with words only the cases whose names have them all.
 */
import { BAD_INPUTS, NotHere, runBadInput } from '../tests/_bad-inputs.ts'
import { runCommand } from './_cli.ts'
import { ensureInstalled } from './_setup.ts'

const HELP = `Show what tritune says to wrong inputs.

  bun scripts/bad-inputs.ts [words…]

Only cases whose names have all the words are run.
`

await runCommand({
  help: HELP,
  options: {},
  positionals: { min: 0, max: 10 },
  async run({ positionals: words }) {
    await ensureInstalled()
    let bad = 0
    for (const input of BAD_INPUTS.filter(({ name }) => words.every((word) => name.includes(word)))) {
      try {
        const { exitCode, message, complaints } = runBadInput(input)
        bad += complaints.length > 0 ? 1 : 0
        console.log(`${complaints.length === 0 ? 'ok  ' : 'FAIL'}  ${input.name} (exit code ${exitCode})`)
        for (const line of [...message.split('\n'), ...complaints.map((text) => `! ${text}`)])
          console.log(`        ${line}`)
      } catch (error) {
        if (!(error instanceof NotHere)) throw error
        console.log(`skip  ${input.name}: ${error.message}`)
      }
    }
    console.log(bad === 0 ? 'every case is told as it should be' : `${bad} cases are not told as they should be`)
    if (bad > 0) process.exitCode = 1
  },
})
