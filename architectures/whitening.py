"""A first convolution that is taken from the images and not trained.

After Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (arXiv 2404.00498), section 3.2.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

WHITENED_IMAGES = 500
"""How many images' patches are in memory at a time."""


class WhiteningConv2d(nn.Conv2d):
    """A 2x2 convolution whose frozen filters give uncorrelated outputs of variance one, and the negatives of these.

    (N, C, H, W) -> (N, 8 C, H - 1, W - 1). Before `initialize_from_images` the filters are those of any convolution.
    With `bias` it has one that is trained, from zero.
    """

    def __init__(self, in_channels: int, kernel: int = 2, *, bias: bool = True) -> None:
        super().__init__(in_channels, 2 * in_channels * kernel**2, kernel, bias=bias)
        self.weight.requires_grad_(False)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    @torch.no_grad()
    def initialize_from_images(self, images: Tensor, eps: float = 5e-4) -> None:
        """Takes the eigenvectors of the patches' second moments, each over the root of its eigenvalue and `eps`.

        `images` (N, C, H, W) are normalised: their mean is about zero (Jordan 2024, section 3.2).
        """
        size = self.weight[0].numel()
        moments = torch.zeros(size, size, dtype=torch.float64)
        patches = 0
        for part in torch.split(images.cpu(), WHITENED_IMAGES):
            columns = functional.unfold(part.float(), self.kernel_size).transpose(0, 1).flatten(1)
            moments += (columns @ columns.T).double()
            patches += columns.shape[1]
        eigenvalues, eigenvectors = torch.linalg.eigh(moments / patches)
        filters = (eigenvectors / (eigenvalues + eps).sqrt()).T.flip(0).reshape(-1, *self.weight.shape[1:])
        self.weight.copy_(torch.cat((filters, -filters)))
