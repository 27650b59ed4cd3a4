/** `bun run bench`: see bench/mod.ts. */
import { runCommand } from './_cli.ts'
import { bench } from './bench/mod.ts'

await runCommand(bench)
