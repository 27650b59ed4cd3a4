/** `bun run doctor`: see commands/doctor.ts. */
import { runCommand } from './_cli.ts'
import { doctor } from './commands/doctor.ts'

await runCommand(doctor)
