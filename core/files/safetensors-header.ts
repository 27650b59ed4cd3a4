/**
 * The header of the safetensors format, from wherever its bytes are. It is believed in nothing: every size, dtype and offset is
 * checked against the others and against the length of the whole.
 * Format: https://github.com/huggingface/safetensors#format.
 */
import { TrituneError } from '../errors.ts'
import { type DType, DTYPES } from '../tensor/dtype.ts'

/** Where one tensor is, and what it is. */
export interface TensorEntry {
  readonly name: string
  /** The tritune dtype, or undefined for one that tritune cannot compute with (`F64`, `I64`, `BOOL`…). */
  readonly dtype: DType | undefined
  /** The dtype as the file names it (`F32`, `I64`…). */
  readonly storedDType: string
  readonly shape: readonly number[]
  /** Path of the file that holds the bytes. */
  readonly file: string
  /** Position of the first byte in `file`. */
  readonly offset: number
  readonly bytes: number
}

export interface SafetensorsFile {
  readonly path: string
  readonly entries: ReadonlyMap<string, TensorEntry>
  /** The `__metadata__` of the header. */
  readonly metadata: Readonly<Record<string, string>>
  /** Bytes of the whole file. */
  readonly bytes: number
}

/**
 * The tensors of a safetensors file of `fileBytes` bytes; `read` gives bytes of it.
 * @throws E_FORMAT, naming the file and the tensor, for a truncated file, a header that is no valid JSON, unknown dtypes, sizes that
 * do not fit their shape, and offsets that overlap, leave holes or leave the file
 */
export function parseSafetensors(
  path: string,
  fileBytes: number,
  read: (start: number, length: number) => Uint8Array,
): SafetensorsFile {
  const { header, dataStart } = readHeader(path, fileBytes, read)
  const metadata = parseMetadata(path, header['__metadata__'])
  const entries: TensorEntry[] = []
  for (const [name, value] of Object.entries(header)) {
    if (name !== '__metadata__') entries.push(parseEntry(path, name, value, dataStart))
  }
  checkLayout(path, entries, dataStart, fileBytes)
  return { path, metadata, bytes: fileBytes, entries: new Map(entries.map((entry) => [entry.name, entry])) }
}

/**
 * The dtype of an entry as a tensor.
 * @throws E_DTYPE when tritune has no such tensors
 */
export function tensorDType(entry: TensorEntry): DType {
  if (entry.dtype !== undefined) return entry.dtype
  throw new TrituneError('E_DTYPE', `dtype ${entry.storedDType} cannot be a tensor here`, {
    place: `${entry.file}: tensor "${entry.name}"`,
    remedy: `convert it to one of ${Object.values(DTYPES)
      .map((info) => info.safetensors)
      .join(', ')}`,
  })
}

/** Bits of one element of every dtype of the format, in the format's own order (which orders written files). */
export const SAFETENSORS_BITS: Readonly<Record<string, number>> = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** The reference implementation refuses longer headers. */
const MAX_HEADER_BYTES = 100_000_000

const BY_STORED_NAME: ReadonlyMap<string, DType> = new Map(
  Object.entries(DTYPES).map(([dtype, info]) => [info.safetensors, dtype as DType]),
)

function readHeader(
  path: string,
  fileBytes: number,
  read: (start: number, length: number) => Uint8Array,
): { header: Record<string, unknown>; dataStart: number } {
  if (fileBytes < 8)
    throw malformed(path, `the file has ${fileBytes} bytes, too few for a safetensors header`)
  const { buffer, byteOffset } = read(0, 8)
  const length = new DataView(buffer, byteOffset, 8).getBigUint64(0, true)
  if (length > BigInt(fileBytes - 8)) {
    throw malformed(
      path,
      `the header claims ${length} bytes, the file has ${fileBytes}`,
      'the file is truncated or no safetensors file: download it again',
    )
  }
  if (length > BigInt(MAX_HEADER_BYTES)) throw malformed(path, `a header of ${length} bytes is too long`)
  const bytes = read(8, Number(length))
  return { header: parseHeader(path, bytes), dataStart: 8 + bytes.length }
}

function parseHeader(path: string, bytes: Uint8Array): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new TrituneError('E_FORMAT', `the header is not valid JSON (${reason})`, {
      place: path,
      cause: error,
    })
  }
  if (!isObject(value)) throw malformed(path, 'the header is not a JSON object')
  return value
}

/** mlx writes null where there is none, and the reference implementation takes it. */
function parseMetadata(path: string, value: unknown): Record<string, string> {
  if (value === undefined || value === null) return {}
  if (!isObject(value)) throw malformed(path, '"__metadata__" is not an object of strings')
  const metadata: Record<string, string> = {}
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw malformed(path, `"__metadata__.${key}" is not a string`)
    metadata[key] = text
  }
  return metadata
}

function parseEntry(path: string, name: string, value: unknown, dataStart: number): TensorEntry {
  const place = `${path}: tensor "${name}"`
  if (!isObject(value)) throw malformed(place, 'its description is not an object')
  const { dtype, shape, data_offsets: offsets } = value
  const bits =
    typeof dtype === 'string' && Object.hasOwn(SAFETENSORS_BITS, dtype) ? SAFETENSORS_BITS[dtype] : undefined
  if (typeof dtype !== 'string' || bits === undefined)
    throw malformed(place, `unknown dtype ${JSON.stringify(dtype)}`)
  if (!isSizeArray(shape))
    throw malformed(place, `its shape is not an array of sizes: ${JSON.stringify(shape)}`)
  if (!isSizeArray(offsets) || offsets.length !== 2 || offsets[1] < offsets[0]) {
    throw malformed(place, `its data_offsets are not [begin, end]: ${JSON.stringify(offsets)}`)
  }
  const bytes = offsets[1] - offsets[0]
  const expected = (shape.reduce((product, size) => product * size, 1) * bits) / 8
  if (expected !== bytes) {
    throw malformed(
      place,
      `shape [${shape.join(', ')}] of ${dtype} needs ${expected} bytes, the header gives it ${bytes}`,
      'the file is damaged: download or copy it again',
    )
  }
  return {
    name,
    dtype: BY_STORED_NAME.get(dtype),
    storedDType: dtype,
    shape,
    file: path,
    offset: dataStart + offsets[0],
    bytes,
  }
}

/** The tensors must tile the data exactly: sorted by position, each begins where the one before ends. */
function checkLayout(path: string, entries: TensorEntry[], dataStart: number, fileBytes: number): void {
  let end = dataStart
  for (const entry of entries.toSorted((a, b) => a.offset - b.offset || a.bytes - b.bytes)) {
    const place = `${path}: tensor "${entry.name}"`
    if (entry.offset < end)
      throw malformed(place, `it overlaps the tensor before it by ${end - entry.offset} bytes`)
    if (entry.offset > end) throw malformed(place, `there is a hole of ${entry.offset - end} bytes before it`)
    end = entry.offset + entry.bytes
    if (end > fileBytes) {
      throw malformed(
        place,
        `it ends at byte ${end}, the file has ${fileBytes}`,
        'the file is truncated: download or copy it again',
      )
    }
  }
  if (end !== fileBytes)
    throw malformed(path, `${fileBytes - end} bytes after the last tensor belong to no tensor`)
}

function isSizeArray(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function malformed(place: string, what: string, remedy?: string): TrituneError {
  return new TrituneError('E_FORMAT', what, { place, remedy })
}
