"""Batches on their way to the device that the one pass runs on."""

import torch


class Upload:
    """Copies batches from the host to a device.

    To a CUDA device they go from page-locked memory, in a stream of their own: neither the host waits for a
    copy, nor what the device still computes of the batch before. The values are the same.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """Return the batch on the device; what is computed of it there from now on waits for the copy."""
        if self._stream is None:
            return batch.to(self.device)
        with torch.cuda.stream(self._stream):
            there = batch.pin_memory().to(self.device, non_blocking=True)
        computing = torch.cuda.current_stream(self.device)
        computing.wait_stream(self._stream)
        there.record_stream(computing)  # its memory was taken in the other stream
        return there
