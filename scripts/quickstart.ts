/** `bun run quickstart`: see commands/quickstart.ts. */
import { runCommand } from './_cli.ts'
import { quickstart } from './commands/quickstart.ts'

await runCommand(quickstart)
