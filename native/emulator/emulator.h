// emulator.h: run CUDA-C++ kernels on the CPU, for tests. C++17, gcc/clang, x86-64 + aarch64 (ucontext elsewhere).
// One fiber per CUDA thread, one OS thread per block at a time (blocks spread over EMU_THREADS). ASan/UBSan/TSan aware.
// Env: EMU_THREADS=n  EMU_ORDER=fwd|rev|shuffle  EMU_SEED=n  EMU_POISON=0|1
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <math.h>
#include <atomic>
#include <thread>
#include <vector>
#include <functional>
#include <algorithm>
#include <tuple>
#include <sys/mman.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/asan_interface.h>
#define EMU_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#define EMU_TSAN 1
extern "C" void AnnotateIgnoreReadsBegin(const char*,int); extern "C" void AnnotateIgnoreReadsEnd(const char*,int); extern "C" void AnnotateIgnoreWritesBegin(const char*,int); extern "C" void AnnotateIgnoreWritesEnd(const char*,int);
#endif
#if defined(EMU_ASAN)||defined(EMU_TSAN)   // plain static => sanitizer red zones / shadow on shared memory; blocks run one after another
#define EMU_SERIAL 1
#define __shared__ static
#else
#define __shared__ static thread_local
#endif
#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __restrict__ __restrict
#define __constant__ static
#define DEV_ALIGN(n) alignas(n)
#define __align__(n) alignas(n)
#define TT_GPU inline
#define TT_HOST_DEVICE inline
#define TT_UNROLL
struct dim3{ unsigned x,y,z; constexpr dim3(unsigned a=1,unsigned b=1,unsigned c=1):x(a),y(b),z(c){} };
struct uint3{unsigned x,y,z;}; struct alignas(8) uint2{unsigned x,y;}; struct alignas(8) int2{int x,y;}; struct alignas(16) float4{float x,y,z,w;}; struct alignas(8) float2{float x,y;}; struct alignas(16) uint4{unsigned x,y,z,w;}; struct alignas(16) int4{int x,y,z,w;};

#include "runtime.h"
namespace emu {
#ifdef EMU_TSAN   // the scheduler's own state is not what we want raced-checked
struct Quiet{ Quiet(){ AnnotateIgnoreReadsBegin("",0); AnnotateIgnoreWritesBegin("",0);} ~Quiet(){ AnnotateIgnoreReadsEnd("",0); AnnotateIgnoreWritesEnd("",0);} };
struct Loud{ Loud(){ AnnotateIgnoreReadsEnd("",0); AnnotateIgnoreWritesEnd("",0);} ~Loud(){ AnnotateIgnoreReadsBegin("",0); AnnotateIgnoreWritesBegin("",0);} };
#else
struct Quiet{ ~Quiet(){} }; struct Loud{ ~Loud(){} };
#endif
enum St:uint8_t{RUN,W_WARP,W_BLOCK,DONE};
struct CpOp{ void*d; const void*s; bool p; };
struct Fiber{ void*sp=0; char*stk=0; dim3 tid; int lin=0; St st=DONE; uint32_t wmask=0; const char*where=0; int exits=0;
  std::vector<CpOp> cur; std::vector<std::vector<CpOp>> groups; size_t ghead=0;
#ifdef EMU_ASAN
  void*fake=0;
#endif
#ifdef EMU_TSAN
  void*tsan=0;
#endif
};
struct Warp; typedef void(*WOp)(Warp&,uint32_t);   // run once, by the last lane to arrive
struct Warp{ uint32_t live=0, arrived=0, want=0; WOp op=nullptr; uint64_t in[32], out[32]; int arg[32]; const void*pa[32]; const void*pb[32]; void*pd[32]; };
constexpr size_t STK=64*1024;
struct Block{ dim3 bid,bdim,gdim; int n=0, live=0, arrived=0; int votes=0,votesOut=0; std::vector<Fiber> f; std::vector<Warp> w; std::vector<int> order; int pos=0; Fiber*cur=0; void*mainsp=0; std::vector<char> dyn; char*dynp=0; const std::function<void()>*body=0; char syncTag;
#ifdef EMU_ASAN
  const void*mbot=0; size_t msz=0; void*mfake=0;
#endif
#ifdef EMU_TSAN
  void*mtsan=0;
#endif
};
inline thread_local Block* B=nullptr;
[[noreturn]] inline void die(const char*m){ fprintf(stderr,"cuemu: %s in block (%u,%u,%u)\n",m,B->bid.x,B->bid.y,B->bid.z); int k=0; for(auto&f:B->f) if(f.st!=DONE&&k++<8) fprintf(stderr,"  thread %d waits at %s\n",f.lin,f.where?f.where:"?"); abort(); }
#if defined(__x86_64__)
extern "C" void emu_switch(void**from,void*to);
__asm__(".text\n.weak emu_switch\n.type emu_switch,@function\nemu_switch:\n push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n mov %rsp,(%rdi)\n mov %rsi,%rsp\n pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n ret\n.size emu_switch,.-emu_switch\n");
inline void* mkstack(char*stk,void(*fn)()){ void**s=(void**)(((uintptr_t)stk+STK)&~15ull); *--s=nullptr; *--s=(void*)fn; for(int i=0;i<6;i++)*--s=nullptr; return s; }
#elif defined(__aarch64__)
extern "C" void emu_switch(void**from,void*to);
__asm__(".text\n.weak emu_switch\nemu_switch:\n sub sp,sp,#160\n stp x19,x20,[sp]\n stp x21,x22,[sp,#16]\n stp x23,x24,[sp,#32]\n stp x25,x26,[sp,#48]\n stp x27,x28,[sp,#64]\n stp x29,x30,[sp,#80]\n stp d8,d9,[sp,#96]\n stp d10,d11,[sp,#112]\n stp d12,d13,[sp,#128]\n stp d14,d15,[sp,#144]\n mov x9,sp\n str x9,[x0]\n mov sp,x1\n ldp x19,x20,[sp]\n ldp x21,x22,[sp,#16]\n ldp x23,x24,[sp,#32]\n ldp x25,x26,[sp,#48]\n ldp x27,x28,[sp,#64]\n ldp x29,x30,[sp,#80]\n ldp d8,d9,[sp,#96]\n ldp d10,d11,[sp,#112]\n ldp d12,d13,[sp,#128]\n ldp d14,d15,[sp,#144]\n add sp,sp,#160\n ret\n");
inline void* mkstack(char*stk,void(*fn)()){ char*s=(char*)(((uintptr_t)stk+STK)&~15ull)-160; memset(s,0,160); *(void**)(s+88)=(void*)fn; return s; }
#endif
struct Cfg{ int threads,order,poison,early,greedy; unsigned seed; Cfg(){ const char*e=getenv("EMU_THREADS"); threads=e?atoi(e):(int)std::thread::hardware_concurrency(); if(threads<1)threads=1; e=getenv("EMU_ORDER"); order=!e?0:!strcmp(e,"rev")?1:!strcmp(e,"shuffle")?2:0; e=getenv("EMU_CPASYNC"); early=e&&!strcmp(e,"early"); e=getenv("EMU_SCHED"); greedy=e&&!strcmp(e,"greedy"); e=getenv("EMU_SEED"); seed=e?atoi(e):1; e=getenv("EMU_POISON"); poison=e?atoi(e):1;
#ifdef EMU_SERIAL
  threads=1;
#endif
} }; inline Cfg&cfg(){ static Cfg c; return c; }
inline Fiber* next(){ Block&b=*B; int n=b.n; if(cfg().greedy) b.pos=-1; for(int k=0;k<n;k++){ if(++b.pos>=n) b.pos=0; Fiber*f=&b.f[b.order[b.pos]]; if(f->st==RUN) return f; } return nullptr; }
inline void landed(){          // first thing on every arrival in a fiber
#ifdef EMU_ASAN
  Fiber*f=B->cur; const void*ob; size_t os; __sanitizer_finish_switch_fiber(f->fake,&ob,&os); if(!B->mbot){B->mbot=ob;B->msz=os;}
#endif
}
inline void go(void**save,Fiber*to,bool dying,Fiber*self){ (void)dying;(void)self; B->cur=to;
#ifdef EMU_ASAN
  if(to) __sanitizer_start_switch_fiber(dying?nullptr:(self?&self->fake:&B->mfake),to->stk,STK); else __sanitizer_start_switch_fiber(dying?nullptr:&self->fake,B->mbot,B->msz);
#endif
#ifdef EMU_TSAN
  __tsan_switch_to_fiber(to?to->tsan:B->mtsan,__tsan_switch_to_fiber_no_sync);
#endif
  emu_switch(save,to?to->sp:B->mainsp);
}
inline void yield(){ Fiber*me=B->cur; Fiber*t=next(); if(!t) die("deadlock: divergent barrier"); if(t==me) return; go(&me->sp,t,false,me); landed(); }
inline void rel(void*tag){ (void)tag;
#ifdef EMU_TSAN
  __tsan_release(tag);
#endif
}
inline void acq(void*tag){ (void)tag;
#ifdef EMU_TSAN
  __tsan_acquire(tag);
#endif
}
inline void release_block(){ Block&b=*B; b.arrived=0; b.votesOut=b.votes; b.votes=0; for(auto&f:b.f) if(f.st==W_BLOCK) f.st=RUN; }
inline void maybe_release_warp(Warp&w){ uint32_t need=w.want&w.live; if(need && (w.arrived&need)==need){ if(w.op){ acq(&w); { Loud l_; w.op(w,w.arrived); } rel(&w); w.op=nullptr; } int base=int(&w-&B->w[0])*32; for(uint32_t m=w.arrived;m;m&=m-1){ int l=__builtin_ctz(m); B->f[base+l].st=RUN; } w.arrived=0; w.want=0; } }
inline int block_bar(int pred,const char*where){ Quiet q_; Block&b=*B; Fiber*f=b.cur; f->where=where; rel(&b.syncTag); b.votes+=pred!=0; f->st=W_BLOCK; if(++b.arrived==b.live) release_block(); else {} if(f->st!=RUN) yield(); else { /* last one: keep running */ } acq(&b.syncTag); return b.votesOut; }
inline void warp_bar(uint32_t mask,const char*where,WOp op=nullptr){ Quiet q_; Block&b=*B; Fiber*f=b.cur; Warp&w=b.w[f->lin>>5]; int l=f->lin&31; f->where=where; if(!(mask>>l&1)) die("calling lane not in its own mask"); if(w.want && (w.want!=mask||w.op!=op)) die("lanes of one warp disagree on mask or operation"); w.want=mask; w.op=op; rel(&w); w.arrived|=1u<<l; f->st=W_WARP; maybe_release_warp(w); if(f->st!=RUN) yield(); acq(&w); }
inline void fiber_main(){ for(;;){ { Quiet q_; landed(); } Fiber*me=B->cur; const std::function<void()>*fn; { Quiet q_; acq(&B->body); fn=B->body; } (*fn)(); Quiet q_; me=B->cur; 
  if(!me->cur.empty()||me->ghead<me->groups.size()){ bool any=!me->cur.empty(); for(size_t i=me->ghead;i<me->groups.size();i++) any|=!me->groups[i].empty(); if(any) die("thread exits with cp.async still in flight"); }
  me->st=DONE; Warp&w=B->w[me->lin>>5]; w.live&=~(1u<<(me->lin&31)); B->live--; rel(&B->bid); if(B->live && B->arrived==B->live) release_block(); maybe_release_warp(w);
  Fiber*t=B->live?next():nullptr; if(B->live&&!t) die("deadlock: divergent barrier"); 
#ifdef EMU_TSAN
  go(&me->sp,t,false,me);
#else
  go(&me->sp,t,true,me); abort();
#endif
 } }
struct Pool{ Block b; ~Pool(){ for(auto&f:b.f) if(f.stk) munmap(f.stk,STK); } };
inline void run_block(const std::function<void()>&body,dim3 g,dim3 bd,dim3 bid,size_t smem){
  Quiet q_; static thread_local Pool pool; Block&b=pool.b; B=&b; b.bid=bid;b.bdim=bd;b.gdim=g;b.n=bd.x*bd.y*bd.z;b.live=b.n;b.arrived=0;b.votes=0;b.body=&body;b.pos=-1;
  if((int)b.f.size()!=b.n){ for(size_t i=b.n;i<b.f.size();i++){ if(b.f[i].stk) munmap(b.f[i].stk,STK); } b.f.resize(b.n); b.w.resize((b.n+31)/32); }
  b.order.resize(b.n); for(int i=0;i<b.n;i++) b.order[i]=cfg().order==1?b.n-1-i:i; if(cfg().order==2){ unsigned s=cfg().seed*2654435761u+bid.x*97+bid.y*31; for(int i=b.n-1;i>0;i--){ s=s*1664525u+1013904223u; std::swap(b.order[i],b.order[(s>>8)%(i+1)]); } }
  if(smem){ b.dynp=(char*)aligned_alloc(1024,(smem+1023)&~size_t(1023)); if(cfg().poison) memset(b.dynp,0xff,smem);
#ifdef EMU_ASAN
    __asan_poison_memory_region(b.dynp+smem,((smem+1023)&~size_t(1023))-smem);
#endif
  }
  for(auto&w:b.w){ w.live=0;w.arrived=0;w.want=0;w.op=nullptr; }
#ifdef EMU_TSAN
  b.mtsan=__tsan_get_current_fiber();
#endif
  for(int i=0;i<b.n;i++){ Fiber&f=b.f[i]; f.lin=i; f.tid=dim3(i%bd.x,i/bd.x%bd.y,i/(bd.x*bd.y)); if(!f.stk){ f.stk=(char*)mmap(0,STK,PROT_READ|PROT_WRITE,MAP_PRIVATE|MAP_ANONYMOUS,-1,0); } 
#ifdef EMU_TSAN
    if(!f.tsan){ f.tsan=__tsan_create_fiber(0); f.sp=mkstack(f.stk,fiber_main); }
#else
    f.sp=mkstack(f.stk,fiber_main);
#endif
    f.st=RUN; f.cur.clear(); f.groups.clear(); f.ghead=0; b.w[i>>5].live|=1u<<(i&31);
#ifdef EMU_ASAN
    f.fake=0; __asan_unpoison_memory_region(f.stk,STK);
#endif
  }
  Fiber*t=next(); 
#ifdef EMU_TSAN
  rel(&b.body);
#endif
  go(&b.mainsp,t,false,nullptr);
#ifdef EMU_ASAN
  __sanitizer_finish_switch_fiber(b.mfake,0,0);
#endif
  acq(&b.bid);
  if(smem){ 
#ifdef EMU_ASAN
    __asan_unpoison_memory_region(b.dynp,(smem+1023)&~size_t(1023));
#endif
    free(b.dynp); b.dynp=0; }
  B=nullptr;
}

template<class K,class...A> void launch(K k,dim3 g,dim3 bd,size_t smem,A...a){
  size_t n=(size_t)bd.x*bd.y*bd.z; if(!n||n>1024||smem>232448||!g.x||!g.y||!g.z||g.y>65535||g.z>65535){ last_err=cudaErrorInvalidConfiguration; return; }
  std::function<void()> body=[&]{ k(a...); };
  size_t nb=(size_t)g.x*g.y*g.z; std::atomic<size_t> nx{0};
  auto work=[&]{ for(size_t i;(i=nx.fetch_add(1))<nb;) run_block(body,g,bd,dim3(i%g.x,i/g.x%g.y,i/((size_t)g.x*g.y)),smem); };
  int nt=(int)std::min<size_t>(cfg().threads,nb); std::vector<std::thread> th; for(int i=1;i<nt;i++) th.emplace_back(work); work(); for(auto&t:th) t.join();
}
template<class T> inline uint64_t pk(T v){ static_assert(sizeof(T)<=8,""); uint64_t u=0; memcpy(&u,&v,sizeof v); return u; }
template<class T> inline T upk(uint64_t u){ T v; memcpy(&v,&u,sizeof v); return v; }
inline void op_shfl(Warp&w,uint32_t m){ for(uint32_t k=m;k;k&=k-1){ int l=__builtin_ctz(k),s=w.arg[l]; if(!(m>>s&1)) die("shfl source lane not in mask"); w.out[l]=w.in[s]; } }
template<class T> inline T shfl(uint32_t m,T v,int src,int width){ Fiber*f=B->cur; Warp&W=B->w[f->lin>>5]; int l=f->lin&31; W.in[l]=pk(v); W.arg[l]=(l&~(width-1))|(src&(width-1)); warp_bar(m,"shfl",op_shfl); return upk<T>(W.out[l]); }
inline void op_ballot(Warp&w,uint32_t m){ uint32_t r=0; for(uint32_t k=m;k;k&=k-1){ int l=__builtin_ctz(k); r|=uint32_t(w.in[l]!=0)<<l; } for(int l=0;l<32;l++) w.out[l]=r; }
} // emu
#define threadIdx (emu::B->cur->tid)
#define blockIdx (emu::B->bid)
#define blockDim (emu::B->bdim)
#define gridDim (emu::B->gdim)
#define EMU_S2(x) #x
#define EMU_S(x) EMU_S2(x)
#define __syncthreads() ((void)emu::block_bar(0,__FILE__ ":" EMU_S(__LINE__)))
#define __syncthreads_or(p) (emu::block_bar((p),__FILE__ ":" EMU_S(__LINE__))>0)
#define __syncthreads_count(p) (emu::block_bar((p),__FILE__ ":" EMU_S(__LINE__)))
#define EMU_SYNCWARP_(m) emu::warp_bar(m,__FILE__ ":" EMU_S(__LINE__))
inline void __syncwarp(uint32_t m=0xffffffffu){ emu::warp_bar(m,"__syncwarp"); }
template<class T> T __shfl_sync(uint32_t m,T v,int s,int w=32){ return emu::shfl(m,v,s,w); }
template<class T> T __shfl_xor_sync(uint32_t m,T v,int x,int w=32){ int l=emu::B->cur->lin&31; int s=l^x; if((s&~(w-1))!=(l&~(w-1))) s=l; return emu::shfl(m,v,s&(w-1),w); }
template<class T> T __shfl_down_sync(uint32_t m,T v,int d,int w=32){ int l=emu::B->cur->lin&31,s=(l&(w-1))+d; return emu::shfl(m,v,s<w?s:(l&(w-1)),w); }
template<class T> T __shfl_up_sync(uint32_t m,T v,int d,int w=32){ int l=emu::B->cur->lin&31,s=(l&(w-1))-d; return emu::shfl(m,v,s>=0?s:(l&(w-1)),w); }
inline uint32_t __ballot_sync(uint32_t m,int p){ using namespace emu; Fiber*f=B->cur; Warp&W=B->w[f->lin>>5]; int l=f->lin&31; W.in[l]=p!=0; warp_bar(m,"ballot",op_ballot); return (uint32_t)W.out[l]; }
inline int __any_sync(uint32_t m,int p){ return __ballot_sync(m,p)!=0; }
inline int __all_sync(uint32_t m,int p){ return __ballot_sync(m,p)==m; }
inline int __popc(uint32_t x){ return __builtin_popcount(x); }
inline int __ffs(int x){ return __builtin_ffs(x); }
inline void __threadfence(){ std::atomic_thread_fence(std::memory_order_seq_cst); }
inline void __threadfence_block(){}
template<class T> T __ldg(const T*p){ return *p; }
inline float rsqrtf(float x){ return 1.f/sqrtf(x); } inline float __expf(float x){ return expf(x); } inline float __fdividef(float a,float b){ return a/b; }
template<class T> T atomicAdd(T*p,T v){ T o; 
  if constexpr(sizeof(T)==4){ uint32_t e=__atomic_load_n((uint32_t*)p,__ATOMIC_RELAXED),d; do{ memcpy(&o,&e,4); T n=o+v; memcpy(&d,&n,4);}while(!__atomic_compare_exchange_n((uint32_t*)p,&e,d,false,__ATOMIC_RELAXED,__ATOMIC_RELAXED)); }
  else { uint64_t e=__atomic_load_n((uint64_t*)p,__ATOMIC_RELAXED),d; do{ memcpy(&o,&e,8); T n=o+v; memcpy(&d,&n,8);}while(!__atomic_compare_exchange_n((uint64_t*)p,&e,d,false,__ATOMIC_RELAXED,__ATOMIC_RELAXED)); } return o; }
template<class T> T atomicMax(T*p,T v){ T o=__atomic_load_n(p,__ATOMIC_RELAXED); while(o<v&&!__atomic_compare_exchange_n(p,&o,v,false,__ATOMIC_RELAXED,__ATOMIC_RELAXED)); return o; }
template<class T> T atomicCAS(T*p,T c,T v){ __atomic_compare_exchange_n(p,&c,v,false,__ATOMIC_SEQ_CST,__ATOMIC_SEQ_CST); return c; }
#define TT_LAUNCH(kern,grid,block,smem,stream,...) ((void)(stream),emu::launch(kern,dim3(grid),dim3(block),size_t(smem),__VA_ARGS__))
#define TT_DYNAMIC_SHARED(T,name) T* name=reinterpret_cast<T*>(emu::B->dynp)
inline uint32_t __float_as_uint(float f){ uint32_t u; memcpy(&u,&f,4); return u; }
inline float __uint_as_float(uint32_t u){ float f; memcpy(&f,&u,4); return f; }
inline int __dp4a(int a,int b,int c){ for(int i=0;i<4;i++) c+=int(int8_t(a>>8*i))*int(int8_t(b>>8*i)); return c; }
namespace tt {
inline float bf2f_(uint16_t h){ return __uint_as_float(uint32_t(h)<<16); }
inline float exp2_fast(float x){ return exp2f(x); }
inline float tanh_fast(float x){ return tanhf(x); }
inline float f16_to_f32(uint16_t h){ _Float16 v; memcpy(&v,&h,2); return float(v); }
inline uint16_t f32_to_f16(float f){ _Float16 v=_Float16(f); uint16_t h; memcpy(&h,&v,2); return h; }

inline uint16_t round_to_bf16(float f){ uint32_t u; memcpy(&u,&f,4); if((u&0x7fffffffu)>0x7f800000u) return 0x7fff; u+=0x7fffu+((u>>16)&1u); return uint16_t(u>>16); }
inline uint32_t pack_bf16(float lo,float hi){ return uint32_t(round_to_bf16(lo))|uint32_t(round_to_bf16(hi))<<16; }
// warp-collective m16n8k16: A row = lane/4 (+8), k = 2*(lane%4) (+8); B col = lane/4; D row = lane/4 (+8), col = 2*(lane%4)
inline void op_mma(emu::Warp&W,uint32_t m){ if(m!=~0u) emu::die("mma needs a full warp"); float A[16][16],Bt[8][16];
  for(int l=0;l<32;l++){ const uint32_t*a=(const uint32_t*)W.pa[l],*b=(const uint32_t*)W.pb[l]; int g=l>>2,t=(l&3)*2; for(int e=0;e<2;e++) for(int h=0;h<2;h++){ A[g][t+8*h+e]=bf2f_(uint16_t(a[2*h]>>(16*e))); A[g+8][t+8*h+e]=bf2f_(uint16_t(a[2*h+1]>>(16*e))); Bt[g][t+8*h+e]=bf2f_(uint16_t(b[h]>>(16*e))); } }
  float D[16][8]; for(int i=0;i<16;i++) for(int j=0;j<8;j++){ float s=0; for(int k=0;k<16;k++) s+=A[i][k]*Bt[j][k]; D[i][j]=s; }
  for(int l=0;l<32;l++){ float*d=(float*)W.pd[l]; int g=l>>2,t=(l&3)*2; for(int i=0;i<4;i++) d[i]+=D[g+(i>>1)*8][t+(i&1)]; } }
inline void mma_bf16(float (&d)[4],const uint32_t (&a)[4],const uint32_t (&b)[2]){ using namespace emu; Fiber*f=B->cur; Warp&W=B->w[f->lin>>5]; int l=f->lin&31; W.pa[l]=a; W.pb[l]=b; W.pd[l]=d; warp_bar(~0u,"mma",op_mma); }
inline void op_ldm(emu::Warp&W,uint32_t m){ if(m!=~0u) emu::die("ldmatrix needs a full warp"); for(int l=0;l<32;l++){ uint32_t*r=(uint32_t*)W.pd[l]; for(int q=0;q<4;q++) memcpy(&r[q],(const char*)W.pa[q*8+(l>>2)]+4*(l&3),4); } }
inline void op_ldmt(emu::Warp&W,uint32_t m){ if(m!=~0u) emu::die("ldmatrix needs a full warp"); for(int l=0;l<32;l++){ uint32_t*r=(uint32_t*)W.pd[l]; for(int q=0;q<4;q++) r[q]=((const uint16_t*)W.pa[q*8+2*(l&3)])[l>>2]|uint32_t(((const uint16_t*)W.pa[q*8+2*(l&3)+1])[l>>2])<<16; } }
inline void ldm(uint32_t (&r)[4],const void*row,bool tr){ using namespace emu; Fiber*f=B->cur; Warp&W=B->w[f->lin>>5]; int l=f->lin&31; if((uintptr_t)row&15) die("ldmatrix row address not 16-byte aligned"); W.pa[l]=row; W.pd[l]=r; warp_bar(~0u,"ldmatrix",tr?op_ldmt:op_ldm); }
inline void ldmatrix_x4(uint32_t (&r)[4],const void*row){ ldm(r,row,false); }
inline void ldmatrix_x4_trans(uint32_t (&r)[4],const void*row){ ldm(r,row,true); }
// cp.async really is deferred: bytes land only at the wait, so a missing wait_group gives wrong numbers here too
inline void cp_do(const emu::CpOp&o){ if(o.p) memcpy(o.d,o.s,16); else memset(o.d,0,16); }
inline void copy_async16(void*d,const void*s,bool p){ if(((uintptr_t)d|(p?(uintptr_t)s:0))&15) emu::die("cp.async not 16-byte aligned"); emu::CpOp o{d,s,p}; if(emu::cfg().early) cp_do(o); else emu::B->cur->cur.push_back(o); }
inline void copy_async_commit(){ emu::Quiet q_; auto*f=emu::B->cur; f->groups.push_back(std::move(f->cur)); f->cur.clear(); }
template<int N> inline void copy_async_wait(){ auto*f=emu::B->cur; while(f->groups.size()-f->ghead>(size_t)N){ for(auto&o:f->groups[f->ghead]) cp_do(o); f->groups[f->ghead].clear(); f->ghead++; } if(f->ghead==f->groups.size()){ f->groups.clear(); f->ghead=0; } }
}
