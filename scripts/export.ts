/** `bun run export`: see commands/export.ts. */
import { runCommand } from './_cli.ts'
import { exportCommand } from './commands/export.ts'

await runCommand(exportCommand)
