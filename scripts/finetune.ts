/** `bun run finetune`: see commands/finetune.ts. */
import { runCommand } from './_cli.ts'
import { finetune } from './commands/finetune.ts'

await runCommand(finetune)
