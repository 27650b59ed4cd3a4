/*
 * tritune.h: the whole native ABI, implemented by libtritune_cpu and libtritune_cuda under the same names.
 * The library that is open is the device. scripts/check-abi.ts generates core/native/symbols.ts from this file.
 *
 * Rules
 *  - Every function that can fail returns tt_status: 0 or a negative code; tt_last_error() gives the message of the
 *    last failure on the calling thread. Nothing is printed, nothing exits, no exception crosses the boundary.
 *  - Arguments: outputs, saved-for-backward outputs, inputs (const), sizes, scalars, dtype, stream.
 *  - Everything is validated here: null pointers, sizes, dtypes, indices out of range give an error code.
 *  - Tensors are contiguous, row-major, 64-byte aligned when they come from tt_alloc; inputs may be less aligned
 *    (mapped files). Pointers are borrowed for the call; the library keeps none.
 *  - Gradients of activations are written; gradients of parameters (dw, dbias, dlora_*) are f32 and are ADDED to
 *    what is there. `accumulate_dx` != 0 adds to dx as well.
 *  - A pointer marked "or NULL" may be null: then that output is not computed, that input is not there.
 *  - dtype is the type of activations and frozen weights: f32 or bf16 (accumulation is always f32). Statistics
 *    (rstd, mean, lse, losses) are f32. LoRA factors are always f32.
 *  - Same inputs, same thread count, same machine → the same bits.
 *  - `stream` is a CUDA stream; NULL is the library's own compute stream. The CPU ignores it and has finished on return.
 *  - On a GPU a call returns when the work is queued. tt_synchronize, tt_download and functions with host outputs wait for
 *    it. What only the device can see (an index out of range, a fault) is reported by the next call that waits.
 *  - Host memory: rng, dims, weight, table, names, `host`, and out of types int64_t*, double* and void**; every other
 *    pointer is a device address.
 *  - rng: uint32[6] = {seed_lo, seed_hi, step, site, offset_lo, offset_hi}. Element i draws word (offset+i)&3 of
 *    philox4x32-10 with counter {lo((offset+i)>>2), hi((offset+i)>>2), site, step} and key {seed_lo, seed_hi};
 *    dropout drops it when word < p·2^32, and multiplies what is kept by 1/(1−p).
 *
 * Letters: rows = tokens, C/cols = channels, H heads, D head size, V vocabulary, R rank.
 */
#ifndef TRITUNE_H
#define TRITUNE_H
#include <stddef.h>
#include <stdint.h>

#define TT_ABI_VERSION 3

#ifdef __cplusplus
extern "C" {
#endif
#define TT_API __attribute__((visibility("default")))

typedef int32_t tt_status; /* TT_OK or one of the codes below */
enum { TT_OK = 0, TT_FAILED = -1, TT_OUT_OF_MEMORY = -2, TT_BAD_ARGUMENT = -3, TT_UNSUPPORTED = -4, TT_DEVICE = -5, TT_IO = -6 };

typedef int32_t tt_dtype;
enum { TT_F32 = 0, TT_BF16 = 1, TT_F16 = 2, TT_I32 = 3, TT_U8 = 4, TT_I8 = 5 };

typedef void* tt_stream;

/* ---- library ---------------------------------------------------------------------------------------------- */

/* TT_ABI_VERSION of the build; checked before anything else is called. */
TT_API int32_t tt_abi_version(void);
/* Message of the last failure on this thread; never NULL, valid until the next call on this thread. */
TT_API const char* tt_last_error(void);
/* Newline-separated names of the functions in this build. */
TT_API const char* tt_symbols(void);
/* JSON: {"device","sources" (hash of the sources),"compiler"} and, on the CPU, "isa" (what runs),"isas" (what this CPU has, the weakest first),
   "threads"; on CUDA "targets" (what it was compiled for),"runtime". */
TT_API const char* tt_build_info(void);
/* JSON: {"driver","runtime" (13000 = 13.0; 0: none),"problem" (why no device can be used, or null),"remedy","devices":[{"name",
   "capability" (90 = 9.0),"multiprocessors","memory","free" (bytes)}]}. Needs no tt_init. The CPU lists itself. */
TT_API const char* tt_devices(void);
/* device: the GPU's number in tt_devices, 0 on the CPU; one device a process. threads (CPU): 0 = all cores of the affinity mask.
   isa (CPU): 0 the best there is, else the number of a name in "isas" of tt_build_info, from 1: AVX2, AVX-512, AVX-512 + AMX; NEON, NEON with
   bf16; SIMD128. May be called again for the same device. */
TT_API tt_status tt_init(int32_t device, int32_t threads, int32_t isa);
/* Changes how ops are done, not what they compute. CPU: blas = path or name of a library with cblas_sgemm, which is tried and kept; gemm = auto |
   own | blas. CUDA: gemm = auto | own | mma | wgmma | cublaslt, gemm_tile = auto | plain | rows | thin | 64x64 | 128x128 | 128x256, gemm_splits =
   0 … 64, attention_dq = deterministic | atomic, synchronous = 0 | 1 (wait after every op, to find the one that fails). TT_BAD_ARGUMENT for a name
   or value that this build does not have. */
TT_API tt_status tt_option_set(const char* name, const char* value);
/* JSON object of the options and what `auto` became. */
TT_API const char* tt_options(void);
/* Waits for all work of the stream; reports what went wrong on the device meanwhile. */
TT_API tt_status tt_synchronize(tt_stream stream);
/* A stopwatch on the stream: tt_time_stop waits and gives the seconds since tt_time_start. */
TT_API tt_status tt_time_start(tt_stream stream);
TT_API tt_status tt_time_stop(double* seconds, tt_stream stream);

/* ---- memory ----------------------------------------------------------------------------------------------- */

/* 64-byte aligned, uninitialised, from a size-class pool. 0 bytes is allowed. */
TT_API tt_status tt_alloc(void** out, size_t bytes);
TT_API tt_status tt_free(void* pointer);
/* out[4] = bytes live, bytes pooled (free, kept), peak of live, number of calls that reached the operating system. */
TT_API tt_status tt_memory_stats(int64_t* out);
TT_API tt_status tt_memory_reset_peak(void);
/* Returns pooled blocks to the operating system. */
TT_API tt_status tt_memory_trim(void);
/* Within the device; or from a file mapped by tt_file_map to the device, which waits until the pages were read. */
TT_API tt_status tt_copy(void* dst, const void* src, size_t bytes, tt_stream stream);
/* Host to device; `host` may be reused on return. */
TT_API tt_status tt_upload(void* dst, const void* host, size_t bytes, tt_stream stream);
/* Device to host; waits. */
TT_API tt_status tt_download(void* host, const void* src, size_t bytes, tt_stream stream);
TT_API tt_status tt_zero(void* dst, size_t bytes, tt_stream stream);
/* Maps a file read-only; out[2] = address, bytes. */
TT_API tt_status tt_file_map(int64_t* out, const char* path);
TT_API tt_status tt_file_unmap(void* address, size_t bytes);

/* ---- elementwise ------------------------------------------------------------------------------------------ */

/* y = x converted; any of f32, bf16, f16 to any other, and i32/u8/i8 to f32. */
TT_API tt_status tt_cast(void* y, const void* x, size_t n, tt_dtype y_dtype, tt_dtype x_dtype, tt_stream stream);
/* y = value (rounded to the dtype). */
TT_API tt_status tt_fill(void* y, size_t n, float value, tt_dtype dtype, tt_stream stream);
/* y = scale·x + shift. In place allowed. */
TT_API tt_status tt_affine(void* y, const void* x, size_t n, float scale, float shift, tt_dtype dtype, tt_stream stream);
/* y += x, same shape; y_dtype f32 or bf16. */
TT_API tt_status tt_add_to(void* y, const void* x, size_t n, tt_dtype y_dtype, tt_dtype x_dtype, tt_stream stream);
enum { TT_ADD = 0, TT_SUB = 1, TT_MUL = 2, TT_DIV = 3, TT_MAX = 4, TT_MIN = 5, TT_POW = 6, TT_GREATER = 7, TT_EQUAL = 8 };
/* y = a op b with broadcasting: dims[ndim][3] = {size, stride of a, stride of b} in elements (0 = broadcast), ndim ≤ 8; y is contiguous. */
TT_API tt_status tt_binary(void* y, const void* a, const void* b, const int64_t* dims, int32_t ndim, int32_t op, tt_dtype dtype, tt_stream stream);
enum { TT_NEG = 0, TT_EXP = 1, TT_LOG = 2, TT_SQRT = 3, TT_RSQRT = 4, TT_TANH = 5, TT_SIGMOID = 6, TT_RELU = 7, TT_ABS = 8, TT_SIN = 9, TT_COS = 10, TT_SQUARE = 11, TT_RECIPROCAL = 12, TT_SILU = 13, TT_GELU_TANH = 14, TT_GELU_ERF = 15 };
TT_API tt_status tt_unary_forward(void* y, const void* x, size_t n, int32_t op, tt_dtype dtype, tt_stream stream);
/* dx = dy · f'(x) */
TT_API tt_status tt_unary_backward(void* dx, const void* dy, const void* x, size_t n, int32_t op, tt_dtype dtype, tt_stream stream);
/* h = silu(gate)·up */
TT_API tt_status tt_swiglu_forward(void* h, const void* gate, const void* up, size_t n, tt_dtype dtype, tt_stream stream);
TT_API tt_status tt_swiglu_backward(void* dgate, void* dup, const void* dh, const void* gate, const void* up, size_t n, tt_dtype dtype, tt_stream stream);
/* h = gelu(gate)·up; tanh_approximation 0: erf, 1: tanh */
TT_API tt_status tt_geglu_forward(void* h, const void* gate, const void* up, size_t n, int32_t tanh_approximation, tt_dtype dtype, tt_stream stream);
TT_API tt_status tt_geglu_backward(void* dgate, void* dup, const void* dh, const void* gate, const void* up, size_t n, int32_t tanh_approximation, tt_dtype dtype, tt_stream stream);
/* Forward and backward are the same call: the mask comes from rng. */
TT_API tt_status tt_dropout(void* y, const void* x, const uint32_t* rng, size_t n, float p, tt_dtype dtype, tt_stream stream);

/* ---- reductions ------------------------------------------------------------------------------------------- */

enum { TT_SUM = 0, TT_MEAN = 1, TT_AMAX = 2 };
/* x (outer, n, inner) → y (outer, inner), f32 accumulation. */
TT_API tt_status tt_reduce(void* y, const void* x, size_t outer, size_t n, size_t inner, int32_t op, tt_dtype dtype, tt_stream stream);
TT_API tt_status tt_softmax_forward(void* y, const void* x, int32_t rows, int32_t cols, tt_dtype dtype, tt_stream stream);
/* dx = y ∘ (dy − Σ dy∘y) */
TT_API tt_status tt_softmax_backward(void* dx, const void* dy, const void* y, int32_t rows, int32_t cols, tt_dtype dtype, tt_stream stream);
/* out[0] += Σ x², in f64, deterministic. */
TT_API tt_status tt_sum_squares(double* out, const void* x, size_t n, tt_dtype dtype, tt_stream stream);
/* out[0] = index of the first NaN or Inf, or −1. */
TT_API tt_status tt_find_nonfinite(int64_t* out, const void* x, size_t n, tt_dtype dtype, tt_stream stream);

/* ---- movement --------------------------------------------------------------------------------------------- */

/* For all indices: y[Σ i·y_stride] = (accumulate ? y + : ) x[Σ i·x_stride]; dims[ndim][3] = {size, y stride, x stride} in elements, ndim ≤ 8.
   Transpose, slice, expand (x stride 0), pad and their gradients. y strides must not overlap. Any dtype; accumulate needs f32 or bf16. */
TT_API tt_status tt_strided_copy(void* y, const void* x, const int64_t* dims, int32_t ndim, int32_t accumulate, tt_dtype dtype, tt_stream stream);
/* y[i,:] = table[index[i],:]; table (table_rows, cols) */
TT_API tt_status tt_gather_rows(void* y, const void* table, const int32_t* index, int32_t rows, int32_t cols, int32_t table_rows, tt_dtype dtype, tt_stream stream);
/* dtable[index[i],:] += dy[i,:]; dtable f32 */
TT_API tt_status tt_scatter_add_rows(float* dtable, const void* dy, const int32_t* index, int32_t rows, int32_t cols, int32_t table_rows, tt_dtype dtype, tt_stream stream);

/* ---- matrix products -------------------------------------------------------------------------------------- */

/* c = alpha·op(a)·op(b) + beta·c, batched; op(a) (m,k), op(b) (k,n); a is stored (k,m) when trans_a, b (n,k) when trans_b.
   stride_*: elements between batches (0 = the same matrix). a, b of `dtype`; c of c_dtype (f32, or the same as dtype). */
TT_API tt_status tt_matmul(void* c, const void* a, const void* b, int32_t batch, int32_t m, int32_t n, int32_t k, size_t stride_c, size_t stride_a, size_t stride_b, int32_t trans_a, int32_t trans_b, float alpha, float beta, tt_dtype c_dtype, tt_dtype dtype, tt_stream stream);
/* y (rows,out) = x·wᵀ + bias + lora_scale·(drop(x)·lora_aᵀ)·lora_bᵀ. x (rows,in), w (out,in), bias (out) or NULL (dtype of x), lora_a (rank,in) f32 or NULL,
   lora_b (out,rank) f32 or NULL. xa (rows,rank) f32 = drop(x)·lora_aᵀ, saved (NULL when rank is 0). dropout acts on x before lora_a only; rng or NULL when p is 0. */
TT_API tt_status tt_linear_forward(void* y, float* xa, const void* x, const void* w, const void* bias, const float* lora_a, const float* lora_b, const uint32_t* rng, int32_t rows, int32_t in, int32_t out, int32_t rank, float lora_scale, float dropout_p, tt_dtype dtype, tt_stream stream);
/* dx (rows,in) or NULL; dw (out,in) f32 or NULL; dbias (out) f32 or NULL; dlora_a (rank,in), dlora_b (out,rank) f32 or NULL. */
TT_API tt_status tt_linear_backward(void* dx, float* dw, float* dbias, float* dlora_a, float* dlora_b, const void* dy, const void* x, const float* xa, const void* w, const float* lora_a, const float* lora_b, const uint32_t* rng, int32_t rows, int32_t in, int32_t out, int32_t rank, float lora_scale, float dropout_p, int32_t accumulate_dx, tt_dtype dtype, tt_stream stream);
/* loss[0] = scale·Σ nll over rows whose target ≥ 0 (target −100 = not trained); nll (rows) f32 or NULL (0 where not trained).
   logits = softcap(h·wᵀ), never held for all rows: h (rows,C), w (V,C), softcap 0 = none.
   dh (rows,C) or NULL and dw (V,C) f32 or NULL (added to) are the gradients of loss[0], computed in the same pass. */
TT_API tt_status tt_linear_cross_entropy(float* loss, float* nll, void* dh, float* dw, const void* h, const void* w, const int32_t* targets, int32_t rows, int32_t cols, int32_t vocab, float scale, float softcap, tt_dtype dtype, tt_stream stream);

/* ---- normalisation, positions, attention ------------------------------------------------------------------- */

/* y = h·rstd·w with h = x (+ residual); rstd (rows) f32. residual and h_out: both or neither (fused residual add). w (cols) of dtype. */
TT_API tt_status tt_rms_norm_forward(void* y, void* h_out, float* rstd, const void* x, const void* residual, const void* w, int32_t rows, int32_t cols, float eps, tt_dtype dtype, tt_stream stream);
/* dx = d(norm)/dh·dy (+ dh): dh (rows,cols) or NULL is the gradient that reaches h directly (the residual stream). dw (cols) f32 or NULL. */
TT_API tt_status tt_rms_norm_backward(void* dx, float* dw, const void* dy, const void* dh, const void* h, const void* w, const float* rstd, int32_t rows, int32_t cols, tt_dtype dtype, tt_stream stream);
/* y = (h − mean)·rstd·w + b, h = x (+ residual); b or NULL. */
TT_API tt_status tt_layer_norm_forward(void* y, void* h_out, float* mean, float* rstd, const void* x, const void* residual, const void* w, const void* b, int32_t rows, int32_t cols, float eps, tt_dtype dtype, tt_stream stream);
TT_API tt_status tt_layer_norm_backward(void* dx, float* dw, float* db, const void* dy, const void* dh, const void* h, const void* w, const float* mean, const float* rstd, int32_t rows, int32_t cols, tt_dtype dtype, tt_stream stream);
/* Rotate-half: x (tokens, H, D); the first rotary_dim channels of each head turn by angle table row positions[t]: cos, sin (table_rows, rotary_dim/2) f32.
   inverse != 0 turns back (the gradient). */
TT_API tt_status tt_rope(void* y, const void* x, const float* cos, const float* sin, const int32_t* positions, int32_t tokens, int32_t heads, int32_t head_dim, int32_t rotary_dim, int32_t table_rows, int32_t inverse, tt_dtype dtype, tt_stream stream);
/* o (Tq,H,D), lse (H,Tq) f32 = log Σ exp of the scaled scores. q (Tq,H,D), k, v (Tk,Hkv,D), H % Hkv == 0, D ≤ 256.
   Documents: offsets_q, offsets_k int32[documents+1], from 0 to Tq (tokens_q) and Tk (tokens_k); document i of q sees document i of k only. Causal is aligned at the end: query
   j of a document with nq queries and nk keys sees keys ≤ j + nk − nq. window > 0: only the last `window` of those keys. softcap > 0: s ← cap·tanh(s/cap)
   after the scale. A query that sees nothing gives 0 and lse −Inf. Memory O(T). */
TT_API tt_status tt_attention_forward(void* o, float* lse, const void* q, const void* k, const void* v, const int32_t* offsets_q, const int32_t* offsets_k, int32_t documents, int32_t tokens_q, int32_t tokens_k, int32_t heads, int32_t kv_heads, int32_t head_dim, float scale, int32_t causal, int32_t window, float softcap, tt_dtype dtype, tt_stream stream);
TT_API tt_status tt_attention_backward(void* dq, void* dk, void* dv, const void* d_o, const void* o, const float* lse, const void* q, const void* k, const void* v, const int32_t* offsets_q, const int32_t* offsets_k, int32_t documents, int32_t tokens_q, int32_t tokens_k, int32_t heads, int32_t kv_heads, int32_t head_dim, float scale, int32_t causal, int32_t window, float softcap, tt_dtype dtype, tt_stream stream);

/* ---- quantized weights ------------------------------------------------------------------------------------- */

/* weight: int64[8] = {kind, data address, scale address, nested address or 0, block, bits of the f32 offset, 0, 0} describes w (out,in):
    TT_NF4, TT_FP4  data u8 (out·in+1)/2, the even element in the high nibble; blocks of `block` (32 … 4096, a power of two) over the flat
                    weight; scale f32 per block = absmax. With nested: scale is u8 codes of (absmax − offset) in blocks of 256, nested f32
                    per 256 blocks: absmax[i] = dynamic_map[scale[i]]·nested[i/256] + offset (bitsandbytes' double quantization).
    TT_INT8         data i8 (out,in), scale f32 (out) = absmax of the row: w = data·scale/127.
    TT_TERNARY      data u8 (out/4,in), bits 2p..2p+1 of byte (i,k) hold w[i + p·out/4, k] + 1 (0, 1, 2); out % 4 == 0. w = scale·{−1,0,1}; block 0:
                    scale f32 (1), of all; else scale f32 (out, in/block), each for `block` columns of a row: block is in (one a row) or a
                    multiple of 64 that divides in. */
enum { TT_NF4 = 0, TT_FP4 = 1, TT_INT8 = 2, TT_TERNARY = 3 };
/* packed, absmax as above (f32), from x of n elements. A block of zeros gives code 0 of both kinds (byte 0), as bitsandbytes does on GPUs. */
TT_API tt_status tt_quantize_4bit(uint8_t* packed, float* absmax, const void* x, size_t n, int32_t block, int32_t kind, tt_dtype dtype, tt_stream stream);
/* codes u8, absmax f32 per `block`: nearest value of bitsandbytes' dynamic map (is_signed: of −1…1, else 0…1) to x/absmax; x f32. */
TT_API tt_status tt_quantize_8bit(uint8_t* codes, float* absmax, const float* x, size_t n, int32_t block, int32_t is_signed, tt_stream stream);
TT_API tt_status tt_dequantize_8bit(float* y, const uint8_t* codes, const float* absmax, size_t n, int32_t block, int32_t is_signed, tt_stream stream);
/* q (rows,cols) i8 = round(x·127/absmax) half to even, absmax (rows) f32 = max|x| of the row: AbsMax of activations and LLM.int8 weights. */
TT_API tt_status tt_quantize_int8(int8_t* q, float* absmax, const void* x, int32_t rows, int32_t cols, tt_dtype dtype, tt_stream stream);
/* AbsMean (BitNet b1.58): scale = max(mean|w|, 1e-5) over what shares it, codes = clamp(round(w/scale), −1, 1) with halves to 0, packed as TT_TERNARY
   with its `block`; w (rows,cols), rows % 4 == 0. */
TT_API tt_status tt_quantize_ternary(uint8_t* packed, float* scale, const void* w, int32_t rows, int32_t cols, int32_t block, tt_dtype dtype, tt_stream stream);
/* y (rows,cols) = the weight as numbers of dtype (f32 product, one rounding). */
TT_API tt_status tt_dequantize(void* y, const int64_t* weight, int32_t rows, int32_t cols, tt_dtype dtype, tt_stream stream);
/* As tt_linear_forward with a quantized weight. TT_NF4, TT_FP4: x·dequantize(w)ᵀ. TT_INT8 (LLM.int8): columns of x with some |x| ≥ threshold (0: none)
   in `dtype`, the rest as int8: x by rows (absmax over the kept columns), int32 sums. TT_TERNARY: x by rows as int8 (BitLinear). bias, LoRA as there. */
TT_API tt_status tt_linear_quantized_forward(void* y, float* xa, const void* x, const int64_t* weight, const void* bias, const float* lora_a, const float* lora_b, const uint32_t* rng, int32_t rows, int32_t in, int32_t out, int32_t rank, float lora_scale, float dropout_p, float threshold, tt_dtype dtype, tt_stream stream);
/* dx = dy·dequantize(w) (straight through the rounding of x) + LoRA's part; no gradient of the weight. */
TT_API tt_status tt_linear_quantized_backward(void* dx, float* dbias, float* dlora_a, float* dlora_b, const void* dy, const void* x, const float* xa, const int64_t* weight, const float* lora_a, const float* lora_b, const uint32_t* rng, int32_t rows, int32_t in, int32_t out, int32_t rank, float lora_scale, float dropout_p, int32_t accumulate_dx, tt_dtype dtype, tt_stream stream);

/* ---- ternary hypervectors on bit planes --------------------------------------------------------------------- */

/* A batch of `rows` vectors of {−1,0,1} with `dims` dimensions: uint32 (rows, 2, words), words = ceil(dims/32); plane 0 marks +1, plane 1 marks −1;
   dimension i is bit i%32 of word i/32; bits past dims are 0. All exact. */
TT_API tt_status tt_vsa_pack(uint32_t* y, const int8_t* x, int32_t rows, int32_t dims, tt_stream stream);
TT_API tt_status tt_vsa_unpack(int8_t* y, const uint32_t* x, int32_t rows, int32_t dims, tt_stream stream);
enum { TT_VSA_PRODUCT = 0, TT_VSA_BIND = 1, TT_VSA_UNBIND = 2 };
/* y = a op b in each dimension. TT_VSA_PRODUCT: a·b. TT_VSA_BIND: a − b modulo 3, in −1 … 1. TT_VSA_UNBIND: a + b modulo 3, so that it undoes a bind with
   the same b. b_rows: rows, or 1 for one vector against all. y may be a. */
TT_API tt_status tt_vsa_combine(uint32_t* y, const uint32_t* a, const uint32_t* b, int32_t rows, int32_t b_rows, int32_t dims, int32_t how, tt_stream stream);
/* y (groups) = sign of the sum over each group of `count` vectors of x (groups·count rows); ties give 0. count ≤ 65535. weights (groups·count) or NULL: what
   each vector is multiplied by; the sum is then made in f32, in the order of the rows. */
TT_API tt_status tt_vsa_bundle(uint32_t* y, const uint32_t* x, const float* weights, int32_t groups, int32_t count, int32_t dims, tt_stream stream);
enum { TT_VSA_DOT = 0, TT_VSA_HAMMING = 1 };
/* out (a_rows, b_rows) i32 of all pairs. TT_VSA_DOT: Σ a·b. TT_VSA_HAMMING: dimensions in which they differ. */
TT_API tt_status tt_vsa_similarity(int32_t* out, const uint32_t* a, const uint32_t* b, int32_t a_rows, int32_t b_rows, int32_t dims, int32_t metric, tt_stream stream);
/* y[i] = x[(i − shift) mod dims]; any shift. */
TT_API tt_status tt_vsa_permute(uint32_t* y, const uint32_t* x, int32_t rows, int32_t dims, int32_t shift, tt_stream stream);

/* ---- optimizer, sampling ------------------------------------------------------------------------------------ */

/* AdamW as torch does it: g = grad_scale·grad; p −= lr·weight_decay·p; m, v updated; p −= lr·(m/bias1)/(√(v/bias2) + eps), bias_i = 1 − βᵢ^t.
   w of w_dtype; master (n) f32 or NULL: with bf16 weights the f32 master is updated and w is its rounding. grad, m, v f32. */
TT_API tt_status tt_adamw(void* w, float* master, float* m, float* v, const float* grad, size_t n, float lr, float beta1, float beta2, float eps, float weight_decay, float bias1, float bias2, float grad_scale, tt_dtype w_dtype, tt_stream stream);
/* Many parameters in one launch, the same arithmetic: table int64[count][8] = {w, master or 0, m, v, grad, n, w_dtype, decay (0: no weight decay)}. */
TT_API tt_status tt_adamw_list(const int64_t* table, int32_t count, float lr, float beta1, float beta2, float eps, float weight_decay, float bias1, float bias2, float grad_scale, tt_stream stream);
/* AdamW with 8-bit states as bitsandbytes keeps them, blocks of 256: m8 codes of the signed dynamic map, v8 of the unsigned one, f32 absmax per block.
   table int64[count][10] = {w, master or 0, m8, v8, m_absmax, v_absmax, grad, n, w_dtype, decay}. A NaN or Inf gradient leaves its element as it is. */
TT_API tt_status tt_adamw_8bit(const int64_t* table, int32_t count, float lr, float beta1, float beta2, float eps, float weight_decay, float bias1, float bias2, float grad_scale, tt_stream stream);
/* out[rows]: next token of each row of logits (rows, vocab). history (history_n) or NULL: tokens whose logit is divided (if > 0) or multiplied (if < 0) by
   repetition_penalty. temperature 0: argmax (lowest index wins). top_k 0: off; top_p 1: off. Order: penalty, temperature, top-k, top-p (keeps the token that
   crosses p). One uniform number a row from rng (element index = row; word·2^-32). */
TT_API tt_status tt_sample(int32_t* out, const void* logits, const int32_t* history, const uint32_t* rng, int32_t rows, int32_t vocab, int32_t history_n, float temperature, int32_t top_k, float top_p, float repetition_penalty, tt_dtype dtype, tt_stream stream);

/* ---- calibrators for benchmarks ------------------------------------------------------------------------------- */

enum { TT_PEAK_FMA_F32 = 0, TT_PEAK_AMX_BF16_LOAD_FED = 1, TT_PEAK_MEMCPY = 2, TT_PEAK_MMA_BF16 = 3, TT_PEAK_DOT_INT8 = 4, TT_PEAK_READ = 5 };
/* rate[0] = operations/s (FLOP/s; of int8 two for each product and sum; for memcpy bytes read + written, for read bytes read per second over `bytes`) of
   all threads of the pool for about `seconds`. TT_UNSUPPORTED for what the device does not have. */
TT_API tt_status tt_bench_peak(double* rate, int32_t kind, size_t bytes, double seconds);

#ifdef __cplusplus
}
#endif
#endif
