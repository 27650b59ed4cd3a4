/**
 * `bun scripts/bad-inputs.ts [words…]`: runs the commands on everything that people get wrong and shows what they say.
 *
 * The cases are those of tests/bad-inputs; with words only the cases whose names have them all.
 */
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
    const { NotHere } = await import('../tests/bad-inputs/case.ts')
    const { BAD_INPUTS, runBadInput } = await import('../tests/bad-inputs/run.ts')
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
    const killed = 'a SIGKILL while saving'
    if (words.every((word) => killed.includes(word))) {
      const { killWhileSaving } = await import('../tests/bad-inputs/kill.ts')
      for (const { steps, problems } of await killWhileSaving(3)) {
        bad += problems.length > 0 ? 1 : 0
        console.log(`${problems.length === 0 ? 'ok  ' : 'FAIL'}  ${killed}`)
        console.log(
          `        left checkpoints ${steps.join(', ')}; all load, the next run goes on from the last`,
        )
        for (const text of problems) console.log(`        ! ${text}`)
      }
    }
    console.log(
      bad === 0 ? 'every case is told as it should be' : `${bad} cases are not told as they should be`,
    )
    if (bad > 0) process.exitCode = 1
  },
})
