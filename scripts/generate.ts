/** `bun run generate`: see commands/generate.ts. */
import { runCommand } from './_cli.ts'
import { generate } from './commands/generate.ts'

await runCommand(generate)
