/** `bun run merge`: see commands/merge.ts. */
import { runCommand } from './_cli.ts'
import { merge } from './commands/merge.ts'

await runCommand(merge)
