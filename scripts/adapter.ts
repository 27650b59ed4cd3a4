/** `bun run adapter`: see commands/adapter.ts. */
import { runCommand } from './_cli.ts'
import { adapter } from './commands/adapter.ts'

await runCommand(adapter)
