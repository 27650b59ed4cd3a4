/** `bun run serve`: see commands/serve.ts. */
import { runCommand } from './_cli.ts'
import { serve } from './commands/serve.ts'

await runCommand(serve)
