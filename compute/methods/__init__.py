"""All live methods. The command line, the dashboard's controls, the links and the contract test are made from
this."""

from compute.methods.attribution.attention import Attention
from compute.methods.attribution.guided import Guided
from compute.methods.attribution.occlusion import Occlusion
from compute.methods.attribution.saliency import Saliency
from compute.methods.attribution.segmentation import Segmentation
from compute.methods.base import Method
from compute.methods.synthesis.ascent import Ascent
from compute.methods.synthesis.attack import Attack
from compute.methods.synthesis.dream import Dream
from compute.methods.synthesis.inversion import Inversion
from compute.methods.synthesis.style import StyleTransfer

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (
        Saliency,
        Occlusion,
        Guided,
        Segmentation,
        Attention,
        Ascent,
        Attack,
        Dream,
        Inversion,
        StyleTransfer,
    )
}
