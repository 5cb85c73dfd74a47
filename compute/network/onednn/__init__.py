"""Convolutions with frozen weights, laid out once for oneDNN, which PyTorch computes them with on a CPU."""
