"""What a CUDA device computes against what the CPU computes, and how fast: `make gpu-check`."""
