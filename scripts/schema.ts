/** `bun run schema`: see commands/schema.ts. */
import { runCommand } from './_cli.ts'
import { schema } from './commands/schema.ts'

await runCommand(schema)
