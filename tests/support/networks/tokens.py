"""Tiny seeded networks of tokens: a vision transformer with its attention written in several ways, an
MLP-Mixer, a ConvNeXt and attention within windows."""

import torch
from torch import nn
from torch.nn import functional as F

from compute.images.preprocessing import Preprocessing
from compute.models.model import Model

CLASSES = ("ant", "bee", "cat", "dog", "elk")
SIZE, PATCH, WIDTH, HEADS = (24, 32), 8, 12, 3
ROWS, COLUMNS = 3, 4
FUSED, EXPLICIT, EINSUM, TORCH, ENCODER = "fused", "explicit", "einsum", "torch", "encoder"


class Attention(nn.Module):
    """Queries, keys and values of one linear layer, as timm has them.

    written: FUSED by PyTorch's function, EXPLICIT or EINSUM (keys before queries, to be hard).
    """

    def __init__(self, written: str):
        super().__init__()
        self.written = written
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        number, length, width = tokens.shape
        split = self.qkv(tokens).reshape(number, length, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        queries, keys, values = split.unbind(0)
        if self.written == FUSED:
            mixed = F.scaled_dot_product_attention(queries, keys, values)
        elif self.written == EINSUM:
            scores = torch.einsum("bhid,bhjd->bjhi", queries, keys) * (width // HEADS) ** -0.5
            mixed = torch.einsum("bhjd,bjhi->bhid", values, scores.softmax(dim=1))
        else:
            scores = queries * (width // HEADS) ** -0.5 @ keys.transpose(-2, -1)
            mixed = scores.softmax(dim=-1) @ values
        return self.proj(mixed.transpose(1, 2).reshape(number, length, width))


class TorchAttention(nn.Module):
    """PyTorch's own module."""

    def __init__(self):
        super().__init__()
        self.whole = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.whole(tokens, tokens, tokens, need_weights=False)[0]


class MLP(nn.Module):
    def __init__(self, width: int = WIDTH):
        super().__init__()
        self.fc1, self.act, self.fc2 = nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.fc2(self.act(self.fc1(tokens)))


class Block(nn.Module):
    def __init__(self, attention: str):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attn = TorchAttention() if attention == TORCH else Attention(attention)
        self.mlp = MLP()

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        tokens = tokens + self.attn(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))


class ViT(nn.Module):
    """A class token and a register before the tokens of 3 x 4 patches; the class token alone is read."""

    def __init__(self, attention: str = FUSED, depth: int = 3):
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.first = nn.Parameter(torch.randn(1, 2, WIDTH))
        self.positions = nn.Parameter(torch.randn(1, ROWS * COLUMNS, WIDTH))
        if attention == ENCODER:
            layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, 0, F.gelu, batch_first=True)
            self.blocks = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        else:
            self.blocks = nn.Sequential(*(Block(attention) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, len(CLASSES))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2) + self.positions
        tokens = torch.cat([self.first.expand(images.shape[0], -1, -1), tokens], 1)
        return self.head(self.norm(self.blocks(tokens))[:, 0])


class MixerBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.of_tokens, self.of_channels = MLP(ROWS * COLUMNS), MLP()

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        tokens = tokens + self.of_tokens(self.norm1(tokens).transpose(1, 2)).transpose(1, 2)
        return tokens + self.of_channels(self.norm2(tokens))


class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.blocks = nn.Sequential(MixerBlock(), MixerBlock())
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, len(CLASSES))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        tokens = self.blocks(self.patches(images).flatten(2).transpose(1, 2))
        return self.head(self.norm(tokens).mean(1))


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, then linear layers on the pixels (N, H, W, C)."""

    def __init__(self):
        super().__init__()
        self.depthwise = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH)
        self.norm, self.mlp = nn.LayerNorm(WIDTH), MLP()

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        pixels = self.mlp(self.norm(self.depthwise(maps).permute(0, 2, 3, 1)))
        return maps + pixels.permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.blocks = nn.Conv2d(3, WIDTH, 4, 4), nn.Sequential(ConvNeXtBlock(), ConvNeXtBlock())
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, len(CLASSES))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.blocks(self.stem(images)).mean((2, 3))))


class WindowAttention(nn.Module):
    """Attention within windows of 2 x 2 of (N, H, W, C) patches, which are padded and moved by one, as in
    Swin."""

    def __init__(self, shift: int):
        super().__init__()
        self.shift, self.attn = shift, Attention(EXPLICIT)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        number, height, width, channels = patches.shape
        padded = F.pad(patches, (0, 0, 0, width % 2, 0, height % 2))
        padded = padded.roll((-self.shift, -self.shift), (1, 2))
        rows, columns = padded.shape[1] // 2, padded.shape[2] // 2
        windows = padded.view(number, rows, 2, columns, 2, channels).permute(0, 1, 3, 2, 4, 5).contiguous()
        mixed = self.attn(windows.view(-1, 4, channels)).view(number, rows, columns, 2, 2, channels)
        mixed = mixed.permute(0, 1, 3, 2, 4, 5).contiguous().view(padded.shape)
        return mixed.roll((self.shift, self.shift), (1, 2))[:, :height, :width]


class WindowBlock(nn.Module):
    def __init__(self, shift: int):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.windows, self.mlp = WindowAttention(shift), MLP()

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        patches = patches + self.windows(self.norm1(patches))
        return patches + self.mlp(self.norm2(patches))


class Windowed(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.blocks = nn.Sequential(WindowBlock(0), WindowBlock(1))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, len(CLASSES))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.blocks(self.patches(images).permute(0, 2, 3, 1))).mean((1, 2)))


WINDOWED = "windowed"

NETWORKS = {
    WINDOWED: Windowed,
    FUSED: lambda: ViT(FUSED),
    EXPLICIT: lambda: ViT(EXPLICIT),
    EINSUM: lambda: ViT(EINSUM),
    TORCH: lambda: ViT(TORCH),
    ENCODER: lambda: ViT(ENCODER),
    "mixer": Mixer,
    "convnext": ConvNeXt,
}


def token_model(name: str, layers: str | None = None) -> Model:
    """One of NETWORKS with random, seeded weights that make lively tokens."""
    torch.manual_seed(5)
    network = NETWORKS[name]()
    for each in network.modules():
        if isinstance(each, nn.Linear):
            nn.init.normal_(each.weight, std=each.in_features**-0.5 * 1.5)
            nn.init.normal_(each.bias, std=0.2)
    return Model(
        network, Preprocessing(SIZE, None, (0.45, 0.4, 0.5), (0.2, 0.25, 0.3)), CLASSES, name, layers=layers
    )
