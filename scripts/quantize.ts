/** `bun run quantize`: see commands/quantize.ts. */
import { runCommand } from './_cli.ts'
import { quantize } from './commands/quantize.ts'

await runCommand(quantize)
