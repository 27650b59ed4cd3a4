/**
 * As much of the wire format of protocol buffers as event files need. https://protobuf.dev/programming-guides/encoding/
 */

/** A message that is written field by field. */
export interface ProtoWriter {
  varint(field: number, value: number): ProtoWriter
  float(field: number, value: number): ProtoWriter
  double(field: number, value: number): ProtoWriter
  text(field: number, value: string): ProtoWriter
  bytes(field: number, value: Uint8Array): ProtoWriter
  message(field: number, write: (inner: ProtoWriter) => void): ProtoWriter
  /** Packed. */
  doubles(field: number, values: readonly number[]): ProtoWriter
  done(): Uint8Array<ArrayBuffer>
}

export function protoWriter(): ProtoWriter {
  const parts: Uint8Array[] = []
  const tag = (field: number, wire: number): void => void parts.push(varintBytes((field << 3) | wire))
  const self: ProtoWriter = {
    varint(field, value) {
      tag(field, 0)
      parts.push(varintBytes(value))
      return self
    },
    float(field, value) {
      tag(field, 5)
      parts.push(fixed(4, (view) => view.setFloat32(0, value, true)))
      return self
    },
    double(field, value) {
      tag(field, 1)
      parts.push(fixed(8, (view) => view.setFloat64(0, value, true)))
      return self
    },
    text: (field, value) => self.bytes(field, new TextEncoder().encode(value)),
    bytes(field, value) {
      tag(field, 2)
      parts.push(varintBytes(value.length), value)
      return self
    },
    message(field, write) {
      const inner = protoWriter()
      write(inner)
      return self.bytes(field, inner.done())
    },
    doubles: (field, values) =>
      self.bytes(
        field,
        fixed(8 * values.length, (view) => values.forEach((value, i) => view.setFloat64(8 * i, value, true))),
      ),
    done() {
      const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
      let at = 0
      for (const part of parts) {
        all.set(part, at)
        at += part.length
      }
      return all
    },
  }
  return self
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Of a whole number from 0 to 2⁵³. */
function varintBytes(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  return Uint8Array.of(...bytes, rest)
}

function fixed(length: number, write: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(length)
  write(new DataView(bytes.buffer))
  return bytes
}
