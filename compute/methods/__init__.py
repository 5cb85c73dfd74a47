"""All live methods. The command line, the dashboard's controls, the links and the contract test are made from this."""

from compute.method import Method
from compute.methods.gradient import Saliency
from compute.methods.guided import Guided
from compute.methods.occlusion import Occlusion
from compute.methods.segmentation import Segmentation

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (
        Saliency,
        Occlusion,
        Guided,
        Segmentation,
    )
}
