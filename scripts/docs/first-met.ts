/**
 * The exports that people meet first: each has an `@example`, which a test runs. The others need a docstring only.
 */

/** By entry point; the names of one are in a text, to be split at spaces. */
const NAMES: Readonly<Record<string, string>> = {
  'tritune/core': `
    activateAdapters adamw adamw8bit add addTo affine attention backward baseForward cast chain
    checkpoint clipByGlobalNorm concat constantSchedule cosineSchedule countLiveTensors createHost
    createRandom decimal defineConfig defineDispatch defineOp defineOptions definePlugin
    dequantizeWeight div dropout embedding expand explain flatGradients formatPath gelu headCrossEntropy
    headLogits integer layerNorm linear linearCrossEntropy linearQuantized linearSchedule listOf matmul
    mean mergeAdapters mergedWeight mul noGrad oneOf optional parameter permute quantize4bit quantize8bit quantizeInt8
    quantizeTernary reshape rmsNorm rope sample scaleInPlace scoped slice softmax sub sum swiglu tensor
    tensorScope text transpose TrituneError useDevice withAdapters withDocumentAdapters withNoise wsdSchedule zeros
  `,
  'tritune/plugins/cpu': 'openCpu openCpuOrReference selfCheck',
  'tritune/plugins/cuda': 'openCuda openDevice',
  'tritune/plugins/data':
    'alpacaPrompt colourTokens concatenate createBatches loadDataset packDocuments readRecords',
  'tritune/plugins/finetune': `
    checkRun createProgress createSummary estimateRun evaluateLoss finetune finetuneConfig
    listCheckpoints loadPlugins prepareRun readFinetuneConfig saveModel schemaOfFinetune train trainStep
  `,
  'tritune/plugins/distributed': 'detectLauncher joinWorld stepCost',
  'tritune/plugins/evaluate':
    'compareResults evaluateModel evaluateTask logLikelihoods readTask reportPage runReport',
  'tritune/plugins/export': 'exportModel',
  'tritune/plugins/generate': 'generate generateBatch openGenerator streamText',
  'tritune/plugins/gguf': 'ggufToHf ggufTokenizer openGguf quantize readGgufTensor writeGguf',
  'tritune/plugins/http': 'openHttpServer',
  'tritune/plugins/hub': 'cachedModels modelCard planPush pushFolder resolveModel resolveModelPart',
  'tritune/plugins/jinja': 'compileTemplate',
  'tritune/plugins/monitor': 'openWebMonitor',
  'tritune/plugins/models': 'createBatch loadModel openSafetensorsSource readConfig',
  'tritune/plugins/optim': 'adafactor lion muon orthogonalized rmsprop scheduleFreeAdamw sgd',
  'tritune/plugins/peft': `
    addWeightedAdapter attachAdapter attachLora convertAdapter inspectAdapter loadAdapter matchTargets
    renameAdapter saveAdapter saveMlxAdapter trainAllWeights
  `,
  'tritune/plugins/serve': 'createTextQueue openServedModel serveModel',
  'tritune/plugins/ternary': `
    balancedTernary calibrateTrits createItemMemory createTritDispatch encodeNgram encodeRecord encodeSequence
    factorize levelEncoder loadItemMemory packedTrits repackTrits sparseTrits symbolEncoder trit tritBatch
    tritCodecs tritQuantizer tryte3 word6
  `,
  'tritune/plugins/runs': 'openRunIndex readRun sendControl watchRun',
  'tritune/plugins/tokenizer': 'createChatRenderer loadTokenizer',
  'tritune/plugins/accel':
    'compressGradientsVsa createBitlinear createTrainer quantizeWeightsAbsmean ternaryMatmul vsaRandom',
  'tritune/plugins/vsa-optim': `
    createCompressor localRounds localSteps phaseTrainer sentAfter ternaryCompressor tritAccumulator twoHopWorker updateCodec
    updateLayout updateMetrics updateWorker vsaCompressor withErrorFeedback
  `,
  'tritune/testing': `
    adapterContract datasetContract deviceContract modelContract monitorContract objectiveContract
    opContract optimizerContract quantizerContract runContract samplerContract strategyContract
    temporaryFolder
  `,
  'tritune/bench': 'benchOp',
  'tritune/plugins/wasm': 'openWasm',
}

/** Entry point → names. */
export const FIRST_MET: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries(NAMES).map(([entry, names]) => [entry, names.trim().split(/\s+/)]),
)
