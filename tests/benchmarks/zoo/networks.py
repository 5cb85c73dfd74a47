"""Which networks are swept, and how they get random weights under which every part of them counts."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from compute.demo.images import photograph
from compute.runtime.vision import models
from tests.benchmarks.zoo import plain

CLASSES = 12
LARGEST_LOGIT = 10.0
MOST_GAIN = 1e3
"""Of the last layer, whose scores are drawn apart from image to image."""

NOISE = 16
"""Images of noise that batch norms see: with few of them, other noise has scores in the thousands."""

TORCHVISION, TIMM = "torchvision", "timm"


@dataclass(frozen=True)
class Entry:
    """One network of the sweep.

    family: that of the architecture, as its package calls the file.
    size: pixels along both sides, as few as the network takes.
    options: what it is made with besides the number of classes.
    """

    package: str
    family: str
    name: str
    size: int = 64
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def key(self) -> str:
        """As `--model` takes it."""
        return f"{self.package}:{self.name}"


def _torchvision(family: str, name: str, size: int = 64, **options: Any) -> Entry:
    return Entry(TORCHVISION, family, name, size, tuple(options.items()))


def _timm(families: dict[str, str], size: int = 64, **options: Any) -> list[Entry]:
    """Of each family the networks whose names stand in its line."""
    return [
        Entry(TIMM, family, name, size, tuple(options.items()))
        for family, names in families.items()
        for name in names.split()
    ]


ENTRIES: tuple[Entry, ...] = (
    _torchvision("alexnet", "alexnet"),
    _torchvision("convnext", "convnext_tiny"),
    _torchvision("densenet", "densenet121"),
    _torchvision("efficientnet", "efficientnet_b0"),
    _torchvision("efficientnet", "efficientnet_v2_s"),
    _torchvision("googlenet", "googlenet", aux_logits=True, transform_input=True, init_weights=False),
    _torchvision("inception", "inception_v3", 96, aux_logits=True, transform_input=True, init_weights=False),
    _torchvision("mnasnet", "mnasnet0_5"),
    _torchvision("mobilenetv2", "mobilenet_v2"),
    _torchvision("mobilenetv3", "mobilenet_v3_small"),
    _torchvision("regnet", "regnet_x_400mf"),
    _torchvision("regnet", "regnet_y_400mf"),
    _torchvision("resnet", "resnet18"),
    _torchvision("resnet", "resnext50_32x4d"),
    _torchvision("shufflenetv2", "shufflenet_v2_x0_5"),
    _torchvision("squeezenet", "squeezenet1_1"),
    _torchvision("swin_transformer", "swin_t"),
    _torchvision("swin_transformer", "swin_v2_t"),
    _torchvision("vgg", "vgg11_bn"),
    _torchvision("vision_transformer", "vit_b_32", image_size=64),
    *_timm({
        "byobnet": "mobileone_s0 repvgg_a0 gcresnext26ts regnetz_b16",
        "byoanet": "lambda_resnet26t",
        "convmixer": "convmixer_768_32",
        "convnext": "convnext_atto convnextv2_atto",
        "cpubone": "cpubone_b0_bfrobust",
        "crossvit": "crossvit_9_240",
        "csatv2": "csatv2",
        "cspnet": "cspresnet50",
        "cspnext": "cspnext_s",
        "davit": "davit_tiny",
        "densenet": "densenet121",
        "dla": "dla34",
        "dpn": "dpn48b",
        "edgenext": "edgenext_xx_small",
        "efficientnet": "efficientnet_lite0 efficientnet_b0 tf_efficientnet_b0 mixnet_s",
        "efficientvim": "efficientvim_m1",
        "efficientvit_mit": "efficientvit_b0",
        "efficientvit_msra": "efficientvit_m0",
        "fasternet": "fasternet_t0",
        "fastvit": "fastvit_t8",
        "focalnet": "focalnet_tiny_srf",
        "ghostnet": "ghostnet_050 ghostnetv2_100",
        "hardcorenas": "hardcorenas_a",
        "hgnet": "hgnetv2_b0",
        "hieradet_sam2": "hieradet_small",
        "hrnet": "hrnet_w18_small",
        "iformer": "iformer_t",
        "inception_next": "inception_next_atto",
        "lcnetv2": "lcnetv2_small",
        "lowformer": "lowformer_b0",
        "mambaout": "mambaout_femto",
        "metaformer": "poolformerv2_s12 caformer_s18",
        "mobilenetv3": (
            "mobilenetv3_small_100 tf_mobilenetv3_small_minimal_100 mobilenetv4_conv_small lcnet_050"
        ),
        "mobilevit": "mobilevit_xxs mobilevitv2_050",
        "mvitv2": "mvitv2_tiny",
        "nextvit": "nextvit_small",
        "nfnet": "nf_regnet_b0 eca_nfnet_l0",
        "pvt_v2": "pvt_v2_b0",
        "rdnet": "rdnet_tiny",
        "regnet": "regnety_002",
        "repghost": "repghostnet_050",
        "repvit": "repvit_m0_9",
        "res2net": "res2net50_14w_8s",
        "resnest": "resnest14d",
        "resnet": "resnet18d seresnet18 ecaresnet26t resnetblur18",
        "resnetv2": "resnetv2_50x1_bit",
        "rexnet": "rexnet_100",
        "selecsls": "selecsls42b",
        "senet": "legacy_seresnet18",
        "sequencer": "sequencer2d_s",
        "shvit": "shvit_s1",
        "sknet": "skresnet18",
        "starnet": "starnet_s1",
        "swiftformer": "swiftformer_xs",
        "tiny_vit": "tiny_vit_5m_224",
        "tresnet": "tresnet_m",
        "twins": "twins_svt_small twins_pcpvt_small",
        "vovnet": "ese_vovnet19b_dw",
        "xception": "legacy_xception",
        "xception_aligned": "xception41",
        "xcit": "xcit_nano_12_p16_224",
    }),
    *_timm({
        "byoanet": "botnet26t_256",
        "cait": "cait_xxs24_224",
        "coat": "coat_tiny",
        "convit": "convit_tiny",
        "deit": "deit_tiny_distilled_patch16_224",
        "efficientformer_v2": "efficientformerv2_s0",
        "eva": "eva02_tiny_patch14_224",
        "gcvit": "gcvit_xxtiny",
        "hiera": "hiera_tiny_224",
        "levit": "levit_128s",
        "maxxvit": "coatnet_nano_rw_224 maxvit_rmlp_pico_rw_256",
        "mlp_mixer": "mixer_s16_224 resmlp_12_224 gmlp_ti16_224",
        "nest": "nest_tiny",
        "pit": "pit_ti_224",
        "swin_transformer": "swin_tiny_patch4_window7_224",
        "swin_transformer_v2": "swinv2_tiny_window8_256",
        "swin_transformer_v2_cr": "swinv2_cr_tiny_ns_224",
        "tnt": "tnt_s_legacy_patch16_224",
        "visformer": "visformer_tiny",
        "vision_transformer": "vit_tiny_patch16_224",
        "vision_transformer_hybrid": "vit_small_resnet26d_224",
        "vision_transformer_relpos": "vit_relpos_small_patch16_224",
        "vitamin": "vitamin_small_224",
        "volo": "volo_d1_224",
    }, img_size=64),
    *_timm({
        "inception_resnet_v2": "inception_resnet_v2",
        "inception_v3": "inception_v3",
        "inception_v4": "inception_v4",
    }, 96),
    *_timm({"efficientformer": "efficientformer_l1"}, 224),
    *_timm({"byobnet": "bat_resnext26ts", "byoanet": "halonet26t"}, 256),
    *_timm({
        "beit": "beit_base_patch16_224",
        "vision_transformer_sam": "samvit_base_patch16",
    }, img_size=64),
    *_timm({
        "naflexvit": "naflexvit_base_patch16_gap",
        "nasnet": "nasnetalarge",
        "pnasnet": "pnasnet5large",
        "vgg": "vgg11",
    }),
    _torchvision("maxvit", "maxvit_t", 224, input_size=(224, 224)),
)  # fmt: skip
"""One of each family, and more of those with several kinds; the costly ones at the end."""


def module_of(entry: Entry) -> tuple[nn.Module, Tensor]:
    """The network in eval mode with seeded random weights (`made_lively`), and photographs of its size.

    Photographs are (N, 3, H, W) in [0, 1].
    """
    torch.manual_seed(0)
    module = _made(entry).eval()
    images = photographs(entry.size)
    noise = torch.rand(NOISE, *images.shape[1:], generator=torch.Generator().manual_seed(2))
    made_lively(module, plain.normalized(torch.cat([images, noise])))
    return module.requires_grad_(False), images


def _made(entry: Entry) -> nn.Module:
    options: dict[str, Any] = {"num_classes": CLASSES, **dict(entry.options)}
    if entry.package == TORCHVISION:
        return models.get_model(entry.name, weights=None, **options)
    from timm import create_model  # seconds to import

    return create_model(entry.name, pretrained=False, **options)


def photographs(size: int) -> Tensor:
    """Some that differ (N, 3, size, size) in [0, 1]."""
    found = []
    for name in ("astronaut", "chelsea", "rocket", "coffee"):
        picture = photograph(f"skimage.data:{name}.{'jpg' if name == 'rocket' else 'png'}")
        found.append(np.asarray(picture.convert("RGB").resize((size, size)), np.float32) / 255)
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).contiguous()


def made_lively(module: nn.Module, images: Tensor) -> None:
    """Random weights with which nothing is switched off, and scores within ±30 that differ from image to
    image.

    Many networks begin with weights that hide a fault: norms that do nothing, blocks that are multiplied by 0
    or 1e-6, a last layer of zeros. Those are drawn anew; batch norms take the statistics of `images`, noise
    among them, so that none is far from what they have seen; the last layer is shifted and scaled.
    """
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            _draw_constant(name, parameter, generator)
        with plain.training_norms(module):
            module(images.clone())
        for name, buffer in module.named_buffers():
            if name.endswith("running_var"):
                buffer.clamp_(min=1e-4)
        _spread_scores(module, images)


def _draw_constant(name: str, parameter: nn.Parameter, generator: torch.Generator) -> None:
    if (parameter.numel() < 2 and parameter.ndim) or float(parameter.std(correction=0)) > 1e-6:
        return
    value = float(parameter.flatten()[0])
    drawn = torch.rand(parameter.shape, generator=generator)
    if abs(value) < 1e-2 and ("gamma" in name or "scale" in name or name.endswith(".weight")):
        parameter.copy_(0.2 + 0.4 * drawn)
    elif abs(value) < 1e-2:
        parameter.copy_(0.2 * (drawn - 0.5))
    else:
        parameter.copy_(value * (0.6 + 0.8 * drawn))


def _spread_scores(module: nn.Module, images: Tensor) -> None:
    last = dict(module.named_modules())[plain.last_weighted(module, images).name]
    for _ in range(2):
        scores = module(images.clone())
        if last.bias is not None and last.bias.shape == scores.shape[1:]:
            last.bias -= scores.mean(0)
            scores = scores - scores.mean(0)
        gain = min(MOST_GAIN, LARGEST_LOGIT / float(scores.abs().max()))
        last.weight.mul_(gain)
        if last.bias is not None:
            last.bias.mul_(gain)
