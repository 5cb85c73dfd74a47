"""All live methods. The command line, the dashboard's controls, the links and the contract test are made from
this."""

from compute.method import Method
from compute.methods.ascent import Ascent
from compute.methods.attack import Attack
from compute.methods.dream import Dream
from compute.methods.gradient import Saliency
from compute.methods.guided import Guided
from compute.methods.inversion import Inversion
from compute.methods.occlusion import Occlusion
from compute.methods.segmentation import Segmentation
from compute.methods.style import StyleTransfer

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (
        Saliency,
        Occlusion,
        Guided,
        Segmentation,
        Ascent,
        Attack,
        Dream,
        Inversion,
        StyleTransfer,
    )
}
