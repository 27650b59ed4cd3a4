"""
The rounding of torchao's quantization-aware training, for tests/plugins/qlora/qat.test.ts. Needs torch and torchao 0.18; writes tests/golden/qat/cases.json.
"""

import json
import warnings
from pathlib import Path

import torch
from torchao.prototype.mx_formats.config import ScaleCalculationMode
from torchao.prototype.mx_formats.mx_tensor import MXTensor
from torchao.prototype.mx_formats.nvfp4_tensor import NVFP4Tensor, per_tensor_amax_to_scale
from torchao.quantization import Int8DynamicActivationIntxWeightConfig
from torchao.quantization.granularity import PerGroup
from torchao.quantization.qat.fake_quantize_config import _infer_fake_quantize_configs
from torchao.quantization.qat.fake_quantizer import IntxFakeQuantizer

warnings.simplefilter("ignore")
OUT = Path(__file__).resolve().parent.parent / "golden" / "qat"
torch.manual_seed(7)
x = torch.randn(4, 64) * torch.tensor([0.01, 1.0, 20.0, 0.3])[:, None]
x[1, :32] = 0
x[2, 5] = 300.0

config = Int8DynamicActivationIntxWeightConfig(weight_dtype=torch.int4, weight_granularity=PerGroup(32))
activations, weights = _infer_fake_quantize_configs(config)
scale = per_tensor_amax_to_scale(torch.max(torch.abs(x)))
results = {
    "int8": IntxFakeQuantizer(activations)(x),
    "int4": IntxFakeQuantizer(weights)(x),
    "nvfp4": NVFP4Tensor.to_nvfp4(x, per_tensor_scale=scale).dequantize(torch.float32),
    "mxfp4": MXTensor.to_mx(x, torch.float4_e2m1fn_x2, 32, ScaleCalculationMode.RCEIL).dequantize(torch.float32),
}
y = x.clone().requires_grad_()
IntxFakeQuantizer(weights)(y).sum().backward()
OUT.mkdir(parents=True, exist_ok=True)
flat = {name: value.flatten().tolist() for name, value in results.items()}
(OUT / "cases.json").write_text(json.dumps({"shape": list(x.shape), "x": x.flatten().tolist(), "results": flat, "gradient": y.grad.flatten().tolist()}) + "\n")
