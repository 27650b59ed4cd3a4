/**
 * Native libraries that are missing or not the right ones; part of tests/_bad-inputs.ts.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BadInput, type BadSpace, type Invocation, NotHere } from './_bad-inputs.ts'

const LIBRARY = fileURLToPath(
  new URL('../native/prebuilt/linux-x64/libtritune_cpu.so', import.meta.url),
)

/** A library of the next ABI version: the number that `tt_abi_version` returns is changed in its machine code. */
function otherVersion(): Buffer {
  const bytes = readFileSync(LIBRARY)
  const at = offsetOf(bytes, 'tt_abi_version')
  // endbr64 (optional); mov eax, imm32
  const move = bytes.readUInt32LE(at) === 0xfa1e0ff3 ? at + 4 : at
  if (bytes[move] !== 0xb8) throw new NotHere('tt_abi_version is not `mov eax, version`')
  bytes.writeUInt32LE(bytes.readUInt32LE(move + 1) + 1000, move + 1)
  return bytes
}

/** Where a function of an ELF64 library lies in the file. */
function offsetOf(file: Buffer, symbol: string): number {
  const at = (offset: number): number => Number(file.readBigUInt64LE(offset))
  const [programs, sections] = [at(32), at(40)]
  const section = (i: number): number => sections + i * file.readUInt16LE(58)
  const table = Array.from({ length: file.readUInt16LE(60) }, (_, i) => section(i)).find(
    (header) => file.readUInt32LE(header + 4) === 11, // SHT_DYNSYM
  )
  if (table === undefined) throw new NotHere('the library has no dynamic symbols')
  const strings = at(section(file.readUInt32LE(table + 40)) + 24)
  for (let entry = at(table + 24); entry < at(table + 24) + at(table + 32); entry += 24) {
    const name = strings + file.readUInt32LE(entry)
    if (file.toString('latin1', name, file.indexOf(0, name)) !== symbol) continue
    const address = at(entry + 8)
    for (let i = 0; i < file.readUInt16LE(56); i++) {
      const program = programs + i * file.readUInt16LE(54)
      const start = at(program + 16)
      const isLoaded = file.readUInt32LE(program) === 1
      if (isLoaded && address >= start && address < start + at(program + 32))
        return at(program + 8) + address - start
    }
  }
  throw new NotHere(`the library has no ${symbol}`)
}

/** A run with another library. */
function withLibrary(space: BadSpace, content: Uint8Array | string | null): Invocation {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new NotHere('libraries are for linux-x64')
  if (content !== null) space.write('libtritune_cpu.so', content)
  const env = { TRITUNE_CPU_LIBRARY: join(space.path, 'libtritune_cpu.so') }
  return { command: ['finetune', 'config.yaml'], env }
}

export const BAD_LIBRARIES: readonly BadInput[] = [
  {
    name: 'a native library that is not there',
    prepare: (space) => withLibrary(space, null),
    says: ['libtritune_cpu.so', 'bun run native'],
  },
  {
    name: 'a native library of another ABI version',
    prepare: (space) => withLibrary(space, otherVersion()),
    says: ['libtritune_cpu.so', /ABI version 10\d\d, this tritune needs \d+/, 'bun run native'],
  },
  {
    name: 'a native library that was cut off',
    prepare: (space) => withLibrary(space, readFileSync(LIBRARY).subarray(0, 4096)),
    says: ['libtritune_cpu.so', 'bun run native'],
  },
  {
    name: 'a native library that is something else',
    prepare: (space) => withLibrary(space, 'not a library\n'),
    says: ['libtritune_cpu.so', 'bun run native'],
  },
]
