/**
 * Opens the CUDA library that fits the driver and prints its file name and what tt_devices says. Run by no-gpu.test.ts, under
 * Bun and Deno.
 */
import { existsSync } from 'node:fs'
import { openModule } from '../../core/native/ffi.ts'
import { libraryCandidates } from '../../core/native/library.ts'

const path = libraryCandidates('cuda').find((candidate) => existsSync(candidate)) ?? ''
const { functions } = openModule<{ tt_devices(): string }>(path, {
  tt_devices: { args: [], returns: 'cstr' },
})
console.log(JSON.stringify({ file: path.split('/').at(-1), ...JSON.parse(functions.tt_devices()) }))
