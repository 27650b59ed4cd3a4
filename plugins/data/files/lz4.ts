/**
 * LZ4 blocks (https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md) as Parquet has them: bare (LZ4_RAW, what pyarrow writes), and behind the two
 * lengths of Hadoop (LZ4, what parquet-mr wrote).
 *
 * hyparquet-compressors 1.1.2 takes the empty end of a block for a copy, which is how pyarrow's blocks of nothing end; so these are read here.
 */

/** A block alone, of which `length` bytes come. Throws an Error for a block that is damaged. */
export function lz4Raw(input: Uint8Array, length: number): Uint8Array {
  const output = new Uint8Array(length)
  if (unpackBlock(input, output) !== length) throw damaged()
  return output
}

/**
 * Blocks, each behind its length and the length of what comes of it as big-endian u32; where the lengths do not fit, a block alone. Throws as
 * `lz4Raw()`.
 */
export function lz4Hadoop(input: Uint8Array, length: number): Uint8Array {
  return unpackFrames(input, length) ?? lz4Raw(input, length)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const LEAST_MATCH = 4
const NIBBLE = 15

function damaged(): Error {
  return new Error('a block of LZ4 is damaged')
}

/** null: the lengths are not those of Hadoop. */
function unpackFrames(input: Uint8Array, length: number): Uint8Array | null {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength)
  const output = new Uint8Array(length)
  let [at, done] = [0, 0]
  while (at < input.length) {
    if (input.length - at < 8) return null
    const [size, packed] = [view.getUint32(at), view.getUint32(at + 4)]
    at += 8
    if (size > length - done || packed > input.length - at) return null
    try {
      if (unpackBlock(input.subarray(at, at + packed), output.subarray(done, done + size)) !== size)
        return null
    } catch {
      return null
    }
    at += packed
    done += size
  }
  return done === length ? output : null
}

/** How many bytes came. */
function unpackBlock(input: Uint8Array, output: Uint8Array): number {
  let [at, end] = [0, 0]
  /** A length that goes on in the bytes after its nibble. */
  const lengthOf = (nibble: number): number => {
    let length = nibble
    if (nibble < NIBBLE) return length
    for (;;) {
      if (at >= input.length) throw damaged()
      const more = input[at++]
      length += more
      if (more !== 255) return length
    }
  }
  while (at < input.length) {
    const token = input[at++]
    const literals = lengthOf(token >> 4)
    if (literals > input.length - at || literals > output.length - end) throw damaged()
    output.set(input.subarray(at, at + literals), end)
    at += literals
    end += literals
    // The last sequence has literals alone, or nothing.
    if (at === input.length) return end
    if (input.length - at < 2) throw damaged()
    const offset = input[at] | (input[at + 1] << 8)
    at += 2
    const length = lengthOf(token & NIBBLE) + LEAST_MATCH
    if (offset === 0 || offset > end || length > output.length - end) throw damaged()
    if (offset >= length) output.copyWithin(end, end - offset, end - offset + length)
    else for (let i = end; i < end + length; i++) output[i] = output[i - offset]
    end += length
  }
  return end
}
