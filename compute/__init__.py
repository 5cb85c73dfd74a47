"""Everything that runs the network: stages over all images (offline) and methods on one image (live)."""

from compute.runtime.threads import share_the_machine

share_the_machine()
