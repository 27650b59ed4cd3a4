/**
 * Generated from native/include/tritune.h by `bun scripts/check-abi.ts --write`. Do not edit.
 */
import type { FfiBuffer, FfiFunction } from './ffi.ts'

export const ABI_VERSION = 3

/** The C functions; addresses, sizes and numbers are `number`, host memory is a TypedArray. */
export interface NativeFunctions {
  tt_abi_version(): number
  tt_last_error(): string
  tt_symbols(): string
  tt_build_info(): string
  tt_devices(): string
  tt_init(device: number, threads: number, isa: number): number
  tt_option_set(name: FfiBuffer, value: FfiBuffer): number
  tt_options(): string
  tt_synchronize(stream: number): number
  tt_time_start(stream: number): number
  tt_time_stop(seconds: FfiBuffer, stream: number): number
  tt_alloc(out: FfiBuffer, bytes: number): number
  tt_free(pointer: number): number
  tt_memory_stats(out: FfiBuffer): number
  tt_memory_reset_peak(): number
  tt_memory_trim(): number
  tt_copy(dst: number, src: number, bytes: number, stream: number): number
  tt_upload(dst: number, host: FfiBuffer, bytes: number, stream: number): number
  tt_download(host: FfiBuffer, src: number, bytes: number, stream: number): number
  tt_zero(dst: number, bytes: number, stream: number): number
  tt_file_map(out: FfiBuffer, path: FfiBuffer): number
  tt_file_unmap(address: number, bytes: number): number
  tt_cast(y: number, x: number, n: number, yDtype: number, xDtype: number, stream: number): number
  tt_fill(y: number, n: number, value: number, dtype: number, stream: number): number
  tt_affine(y: number, x: number, n: number, scale: number, shift: number, dtype: number, stream: number): number
  tt_add_to(y: number, x: number, n: number, yDtype: number, xDtype: number, stream: number): number
  tt_binary(y: number, a: number, b: number, dims: FfiBuffer, ndim: number, op: number, dtype: number, stream: number): number
  tt_unary_forward(y: number, x: number, n: number, op: number, dtype: number, stream: number): number
  tt_unary_backward(dx: number, dy: number, x: number, n: number, op: number, dtype: number, stream: number): number
  tt_swiglu_forward(h: number, gate: number, up: number, n: number, dtype: number, stream: number): number
  tt_swiglu_backward(dgate: number, dup: number, dh: number, gate: number, up: number, n: number, dtype: number, stream: number): number
  tt_geglu_forward(h: number, gate: number, up: number, n: number, tanhApproximation: number, dtype: number, stream: number): number
  tt_geglu_backward(dgate: number, dup: number, dh: number, gate: number, up: number, n: number, tanhApproximation: number, dtype: number, stream: number): number
  tt_dropout(y: number, x: number, rng: FfiBuffer, n: number, p: number, dtype: number, stream: number): number
  tt_reduce(y: number, x: number, outer: number, n: number, inner: number, op: number, dtype: number, stream: number): number
  tt_softmax_forward(y: number, x: number, rows: number, cols: number, dtype: number, stream: number): number
  tt_softmax_backward(dx: number, dy: number, y: number, rows: number, cols: number, dtype: number, stream: number): number
  tt_sum_squares(out: number, x: number, n: number, dtype: number, stream: number): number
  tt_find_nonfinite(out: FfiBuffer, x: number, n: number, dtype: number, stream: number): number
  tt_strided_copy(y: number, x: number, dims: FfiBuffer, ndim: number, accumulate: number, dtype: number, stream: number): number
  tt_gather_rows(y: number, table: number, index: number, rows: number, cols: number, tableRows: number, dtype: number, stream: number): number
  tt_scatter_add_rows(dtable: number, dy: number, index: number, rows: number, cols: number, tableRows: number, dtype: number, stream: number): number
  tt_matmul(c: number, a: number, b: number, batch: number, m: number, n: number, k: number, strideC: number, strideA: number, strideB: number, transA: number, transB: number, alpha: number, beta: number, cDtype: number, dtype: number, stream: number): number
  tt_linear_forward(y: number, xa: number, x: number, w: number, bias: number, loraA: number, loraB: number, rng: FfiBuffer, rows: number, input: number, out: number, rank: number, loraScale: number, dropoutP: number, dtype: number, stream: number): number
  tt_linear_backward(dx: number, dw: number, dbias: number, dloraA: number, dloraB: number, dy: number, x: number, xa: number, w: number, loraA: number, loraB: number, rng: FfiBuffer, rows: number, input: number, out: number, rank: number, loraScale: number, dropoutP: number, accumulateDx: number, dtype: number, stream: number): number
  tt_linear_cross_entropy(loss: number, nll: number, dh: number, dw: number, h: number, w: number, targets: number, rows: number, cols: number, vocab: number, scale: number, softcap: number, dtype: number, stream: number): number
  tt_rms_norm_forward(y: number, hOut: number, rstd: number, x: number, residual: number, w: number, rows: number, cols: number, eps: number, dtype: number, stream: number): number
  tt_rms_norm_backward(dx: number, dw: number, dy: number, dh: number, h: number, w: number, rstd: number, rows: number, cols: number, dtype: number, stream: number): number
  tt_layer_norm_forward(y: number, hOut: number, mean: number, rstd: number, x: number, residual: number, w: number, b: number, rows: number, cols: number, eps: number, dtype: number, stream: number): number
  tt_layer_norm_backward(dx: number, dw: number, db: number, dy: number, dh: number, h: number, w: number, mean: number, rstd: number, rows: number, cols: number, dtype: number, stream: number): number
  tt_rope(y: number, x: number, cos: number, sin: number, positions: number, tokens: number, heads: number, headDim: number, rotaryDim: number, tableRows: number, inverse: number, dtype: number, stream: number): number
  tt_attention_forward(o: number, lse: number, q: number, k: number, v: number, offsetsQ: number, offsetsK: number, documents: number, tokensQ: number, tokensK: number, heads: number, kvHeads: number, headDim: number, scale: number, causal: number, window: number, softcap: number, dtype: number, stream: number): number
  tt_attention_backward(dq: number, dk: number, dv: number, dO: number, o: number, lse: number, q: number, k: number, v: number, offsetsQ: number, offsetsK: number, documents: number, tokensQ: number, tokensK: number, heads: number, kvHeads: number, headDim: number, scale: number, causal: number, window: number, softcap: number, dtype: number, stream: number): number
  tt_quantize_4bit(packed: number, absmax: number, x: number, n: number, block: number, kind: number, dtype: number, stream: number): number
  tt_quantize_8bit(codes: number, absmax: number, x: number, n: number, block: number, isSigned: number, stream: number): number
  tt_dequantize_8bit(y: number, codes: number, absmax: number, n: number, block: number, isSigned: number, stream: number): number
  tt_quantize_int8(q: number, absmax: number, x: number, rows: number, cols: number, dtype: number, stream: number): number
  tt_quantize_ternary(packed: number, scale: number, w: number, rows: number, cols: number, block: number, dtype: number, stream: number): number
  tt_dequantize(y: number, weight: FfiBuffer, rows: number, cols: number, dtype: number, stream: number): number
  tt_linear_quantized_forward(y: number, xa: number, x: number, weight: FfiBuffer, bias: number, loraA: number, loraB: number, rng: FfiBuffer, rows: number, input: number, out: number, rank: number, loraScale: number, dropoutP: number, threshold: number, dtype: number, stream: number): number
  tt_linear_quantized_backward(dx: number, dbias: number, dloraA: number, dloraB: number, dy: number, x: number, xa: number, weight: FfiBuffer, loraA: number, loraB: number, rng: FfiBuffer, rows: number, input: number, out: number, rank: number, loraScale: number, dropoutP: number, accumulateDx: number, dtype: number, stream: number): number
  tt_vsa_pack(y: number, x: number, rows: number, dims: number, stream: number): number
  tt_vsa_unpack(y: number, x: number, rows: number, dims: number, stream: number): number
  tt_vsa_combine(y: number, a: number, b: number, rows: number, bRows: number, dims: number, how: number, stream: number): number
  tt_vsa_bundle(y: number, x: number, weights: number, groups: number, count: number, dims: number, stream: number): number
  tt_vsa_similarity(out: number, a: number, b: number, aRows: number, bRows: number, dims: number, metric: number, stream: number): number
  tt_vsa_permute(y: number, x: number, rows: number, dims: number, shift: number, stream: number): number
  tt_adamw(w: number, master: number, m: number, v: number, grad: number, n: number, lr: number, beta1: number, beta2: number, eps: number, weightDecay: number, bias1: number, bias2: number, gradScale: number, wDtype: number, stream: number): number
  tt_adamw_list(table: FfiBuffer, count: number, lr: number, beta1: number, beta2: number, eps: number, weightDecay: number, bias1: number, bias2: number, gradScale: number, stream: number): number
  tt_adamw_8bit(table: FfiBuffer, count: number, lr: number, beta1: number, beta2: number, eps: number, weightDecay: number, bias1: number, bias2: number, gradScale: number, stream: number): number
  tt_sample(out: number, logits: number, history: number, rng: FfiBuffer, rows: number, vocab: number, historyN: number, temperature: number, topK: number, topP: number, repetitionPenalty: number, dtype: number, stream: number): number
  tt_bench_peak(rate: FfiBuffer, kind: number, bytes: number, seconds: number): number
}

export const SYMBOLS: { readonly [K in keyof NativeFunctions]: FfiFunction } = {
  tt_abi_version: { args: [], returns: 'i32' },
  tt_last_error: { args: [], returns: 'cstr' },
  tt_symbols: { args: [], returns: 'cstr' },
  tt_build_info: { args: [], returns: 'cstr' },
  tt_devices: { args: [], returns: 'cstr' },
  tt_init: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
  tt_option_set: { args: ['buf', 'buf'], returns: 'i32' },
  tt_options: { args: [], returns: 'cstr' },
  tt_synchronize: { args: ['ptr'], returns: 'i32' },
  tt_time_start: { args: ['ptr'], returns: 'i32' },
  tt_time_stop: { args: ['buf', 'ptr'], returns: 'i32' },
  tt_alloc: { args: ['buf', 'size'], returns: 'i32' },
  tt_free: { args: ['ptr'], returns: 'i32' },
  tt_memory_stats: { args: ['buf'], returns: 'i32' },
  tt_memory_reset_peak: { args: [], returns: 'i32' },
  tt_memory_trim: { args: [], returns: 'i32' },
  tt_copy: { args: ['ptr', 'ptr', 'size', 'ptr'], returns: 'i32' },
  tt_upload: { args: ['ptr', 'buf', 'size', 'ptr'], returns: 'i32' },
  tt_download: { args: ['buf', 'ptr', 'size', 'ptr'], returns: 'i32' },
  tt_zero: { args: ['ptr', 'size', 'ptr'], returns: 'i32' },
  tt_file_map: { args: ['buf', 'buf'], returns: 'i32' },
  tt_file_unmap: { args: ['ptr', 'size'], returns: 'i32' },
  tt_cast: { args: ['ptr', 'ptr', 'size', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_fill: { args: ['ptr', 'size', 'f32', 'i32', 'ptr'], returns: 'i32' },
  tt_affine: { args: ['ptr', 'ptr', 'size', 'f32', 'f32', 'i32', 'ptr'], returns: 'i32' },
  tt_add_to: { args: ['ptr', 'ptr', 'size', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_binary: { args: ['ptr', 'ptr', 'ptr', 'buf', 'i32', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_unary_forward: { args: ['ptr', 'ptr', 'size', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_unary_backward: { args: ['ptr', 'ptr', 'ptr', 'size', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_swiglu_forward: { args: ['ptr', 'ptr', 'ptr', 'size', 'i32', 'ptr'], returns: 'i32' },
  tt_swiglu_backward: { args: ['ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'size', 'i32', 'ptr'], returns: 'i32' },
  tt_geglu_forward: { args: ['ptr', 'ptr', 'ptr', 'size', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_geglu_backward: { args: ['ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'size', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_dropout: { args: ['ptr', 'ptr', 'buf', 'size', 'f32', 'i32', 'ptr'], returns: 'i32' },
  tt_reduce: { args: ['ptr', 'ptr', 'size', 'size', 'size', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_softmax_forward: { args: ['ptr', 'ptr', 'i32', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_softmax_backward: { args: ['ptr', 'ptr', 'ptr', 'i32', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_sum_squares: { args: ['ptr', 'ptr', 'size', 'i32', 'ptr'], returns: 'i32' },
  tt_find_nonfinite: { args: ['buf', 'ptr', 'size', 'i32', 'ptr'], returns: 'i32' },
  tt_strided_copy: { args: ['ptr', 'ptr', 'buf', 'i32', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_gather_rows: { args: ['ptr', 'ptr', 'ptr', 'i32', 'i32', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_scatter_add_rows: { args: ['ptr', 'ptr', 'ptr', 'i32', 'i32', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_matmul: { args: ['ptr', 'ptr', 'ptr', 'i32', 'i32', 'i32', 'i32', 'size', 'size', 'size', 'i32', 'i32', 'f32', 'f32', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_linear_forward: { args: ['ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'buf', 'i32', 'i32', 'i32', 'i32', 'f32', 'f32', 'i32', 'ptr'], returns: 'i32' },
  tt_linear_backward: { args: ['ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'buf', 'i32', 'i32', 'i32', 'i32', 'f32', 'f32', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_linear_cross_entropy: { args: ['ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'i32', 'i32', 'i32', 'f32', 'f32', 'i32', 'ptr'], returns: 'i32' },
  tt_rms_norm_forward: { args: ['ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'i32', 'i32', 'f32', 'i32', 'ptr'], returns: 'i32' },
  tt_rms_norm_backward: { args: ['ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'i32', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_layer_norm_forward: { args: ['ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'i32', 'i32', 'f32', 'i32', 'ptr'], returns: 'i32' },
  tt_layer_norm_backward: { args: ['ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'i32', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_rope: { args: ['ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_attention_forward: { args: ['ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'f32', 'i32', 'i32', 'f32', 'i32', 'ptr'], returns: 'i32' },
  tt_attention_backward: { args: ['ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'f32', 'i32', 'i32', 'f32', 'i32', 'ptr'], returns: 'i32' },
  tt_quantize_4bit: { args: ['ptr', 'ptr', 'ptr', 'size', 'i32', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_quantize_8bit: { args: ['ptr', 'ptr', 'ptr', 'size', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_dequantize_8bit: { args: ['ptr', 'ptr', 'ptr', 'size', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_quantize_int8: { args: ['ptr', 'ptr', 'ptr', 'i32', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_quantize_ternary: { args: ['ptr', 'ptr', 'ptr', 'i32', 'i32', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_dequantize: { args: ['ptr', 'buf', 'i32', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_linear_quantized_forward: { args: ['ptr', 'ptr', 'ptr', 'buf', 'ptr', 'ptr', 'ptr', 'buf', 'i32', 'i32', 'i32', 'i32', 'f32', 'f32', 'f32', 'i32', 'ptr'], returns: 'i32' },
  tt_linear_quantized_backward: { args: ['ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'buf', 'ptr', 'ptr', 'buf', 'i32', 'i32', 'i32', 'i32', 'f32', 'f32', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_vsa_pack: { args: ['ptr', 'ptr', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_vsa_unpack: { args: ['ptr', 'ptr', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_vsa_combine: { args: ['ptr', 'ptr', 'ptr', 'i32', 'i32', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_vsa_bundle: { args: ['ptr', 'ptr', 'ptr', 'i32', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_vsa_similarity: { args: ['ptr', 'ptr', 'ptr', 'i32', 'i32', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_vsa_permute: { args: ['ptr', 'ptr', 'i32', 'i32', 'i32', 'ptr'], returns: 'i32' },
  tt_adamw: { args: ['ptr', 'ptr', 'ptr', 'ptr', 'ptr', 'size', 'f32', 'f32', 'f32', 'f32', 'f32', 'f32', 'f32', 'f32', 'i32', 'ptr'], returns: 'i32' },
  tt_adamw_list: { args: ['buf', 'i32', 'f32', 'f32', 'f32', 'f32', 'f32', 'f32', 'f32', 'f32', 'ptr'], returns: 'i32' },
  tt_adamw_8bit: { args: ['buf', 'i32', 'f32', 'f32', 'f32', 'f32', 'f32', 'f32', 'f32', 'f32', 'ptr'], returns: 'i32' },
  tt_sample: { args: ['ptr', 'ptr', 'ptr', 'buf', 'i32', 'i32', 'i32', 'f32', 'i32', 'f32', 'f32', 'i32', 'ptr'], returns: 'i32' },
  tt_bench_peak: { args: ['buf', 'i32', 'size', 'f64'], returns: 'i32' },
}
