"""Every kind of classification network, each number of ours against plain PyTorch's."""
