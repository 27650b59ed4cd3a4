import { loadDataset } from './plugins/data/mod.ts'
import { finetuneConfig, openTokenizer } from './plugins/finetune/mod.ts'
const path=process.argv[2]; const type=process.argv[3]??'alpaca'; const procs=process.argv[4]
const config = finetuneConfig.validate({ base_model: 'quickstart/model', datasets: [{ path, type, ...(process.argv[5]?{streaming:true}:{}) }], learning_rate: 1e-4, dataset_processes: procs===undefined||procs==='-'?null:Number(procs) } as any)
const tok=openTokenizer('quickstart/model', config)
const t=performance.now()
let last=0
using d = await loadDataset(config, tok, {onProgress:(p)=>{ if(performance.now()-last>5000){last=performance.now();console.error(p, process.memoryUsage().rss/1e6|0)} }})
const s=(performance.now()-t)/1e3
const status=require('node:fs').readFileSync('/proc/self/status','utf8')
console.log(d.report.records, d.train.length, d.report.train.tokens, s.toFixed(1)+' s', (d.report.records/s|0)+'/s', /VmHWM.*/.exec(status)![0])
import {heapStats} from 'bun:jsc'
console.log('rss before gc', process.memoryUsage().rss/1e6|0); Bun.gc(true); await Bun.sleep(500); const h=heapStats(); console.log('rss', process.memoryUsage().rss/1e6|0,'heap',h.heapSize/1e6|0, 'cap', h.heapCapacity/1e6|0, 'extra',h.extraMemorySize/1e6|0, Object.entries(h.objectTypeCounts).sort((a,b)=>b[1]-a[1]).slice(0,8))
