"""How an image is parameterised: the variable that an ascent changes, and the picture (1, C, H, W) in [0, 1]
that it stands for.

The parameterisation decides which pictures are near: a step in pixels favours high frequencies, a step in a
whitened spectrum treats all scales of natural images alike (Olah, Mordvintsev & Schubert 2017).
"""

import math
from typing import Protocol

import torch
from torch import Generator, Tensor

# Root of the colour covariance of natural images (rows R, G, B), from Lucid's `lucid.optvis.param.color`.
COLOR_CORRELATION = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
START_DEVIATION = 0.5
LUCID_DAMPING = 4.0


class Parameterization(Protocol):
    """`variable` is what is changed; `image` gives the picture as a differentiable function of it;
    `constrain` is called after each change and puts the variable back to where it may be."""

    variable: Tensor

    def image(self) -> Tensor: ...

    def constrain(self) -> None: ...


class Pixels:
    """The picture itself, as `mean` + `std` * variable: in the network's normalised units, or (mean 0, std 1)
    as is."""

    def __init__(self, start: Tensor, mean: tuple[float, ...] = (0.0,), std: tuple[float, ...] = (1.0,)):
        """start: (1, C, H, W) in [0, 1]. mean, std: one value a channel, or one for all."""
        self.mean, self.std = (start.new_tensor(values).view(1, -1, 1, 1) for values in (mean, std))
        self.variable = (start.detach() - self.mean) / self.std

    def image(self) -> Tensor:
        return self.mean + self.std * self.variable

    def constrain(self) -> None:
        """Pictures lie in [0, 1]."""
        self.variable = (self.image().clamp(0, 1) - self.mean) / self.std


class Fourier:
    """sigmoid(colours · inverse FFT(variable / frequency ** falloff)): steps of equal size at every scale.

    variable: (1, C, H, W // 2 + 1, 2), real and imaginary parts of the whitened spectrum. It starts as noise
    of standard deviation 0.5, a picture of faint clouds: Lucid's 0.01 is so uniform a grey that whole
    networks may be silent on it and give no gradient.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        generator: Generator,
        device: torch.device | str = "cpu",
        correlated: bool = True,
        falloff: float = 1.0,
    ):
        """shape: (C, H, W). correlated: let an RGB picture's channels move together as in photographs.
        falloff: see `natural_magnitude`."""
        channels, height, width = shape
        self.size = (height, width)
        self.scale = natural_magnitude(self.size, falloff).to(device)
        self.colors = color_transform(channels, correlated).to(device)
        spectrum = START_DEVIATION * torch.randn(1, channels, *self.scale.shape, 2, generator=generator)
        self.variable = spectrum.to(device)

    def image(self) -> Tensor:
        spectrum = torch.view_as_complex(self.variable) * self.scale
        waves = torch.fft.irfft2(spectrum, s=self.size, norm="ortho") / LUCID_DAMPING
        return recolored(waves, self.colors).sigmoid()

    def constrain(self) -> None:
        """Every spectrum is a picture."""


class Phase:
    """A spectrum whose magnitude stays that of natural images; only the phase is free (MaCo: Fel et al. 2023,
    "Unlocking Feature Visualization for Deeper Networks with MAgnitude Constrained Optimization").

    variable: (1, C, H, W // 2 + 1), radians, started at random.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        generator: Generator,
        device: torch.device | str = "cpu",
        correlated: bool = True,
        falloff: float = 1.0,
    ):
        """shape: (C, H, W). correlated: let an RGB picture's channels move together as in photographs.
        falloff: see `natural_magnitude`."""
        channels, height, width = shape
        self.size = (height, width)
        self.magnitude = natural_magnitude(self.size, falloff).to(device)
        self.colors = color_transform(channels, correlated).to(device)
        phase = torch.rand(1, channels, *self.magnitude.shape, generator=generator)
        self.variable = (2 * math.pi * phase - math.pi).to(device)

    def image(self) -> Tensor:
        spectrum = torch.polar(self.magnitude.expand_as(self.variable), self.variable)
        waves = torch.fft.irfft2(spectrum, s=self.size, norm="ortho")
        deviation, mean = torch.std_mean(waves, dim=(1, 2, 3), keepdim=True)
        return recolored((waves - mean) / (deviation + 1e-5), self.colors).sigmoid()

    def constrain(self) -> None:
        """Every phase is a picture."""


def natural_magnitude(size: tuple[int, int], falloff: float = 1.0) -> Tensor:
    """(H, W // 2 + 1): the amplitude spectrum n / max(1, n * frequency) ** falloff, with n = max(H, W) and
    the frequency in cycles a pixel; n at one cycle along the longer side, and below.

    falloff: 1 is the mean of photographs (Field 1987); more makes pictures smoother.
    """
    height, width = size
    rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None, :]
    cycles = max(size) * torch.hypot(rows, columns)
    return max(size) / cycles.clamp(min=1) ** falloff


def color_transform(channels: int, correlated: bool = True) -> Tensor:
    """(C, C): from decorrelated to real colour channels; the identity unless there are three that are
    correlated."""
    if channels != 3 or not correlated:
        return torch.eye(channels)
    matrix = torch.tensor(COLOR_CORRELATION)
    return matrix / matrix.norm(dim=0).max()


def recolored(image: Tensor, matrix: Tensor) -> Tensor:
    """Mix the channels of an image (N, C, H, W) by a matrix (C, C)."""
    return torch.einsum("ij,njhw->nihw", matrix, image)
